//! One end of a conversation, on tokio: waits for a call, and sends what is typed. Ctrl-C and SIGTERM let a call finish.
//!
//! `TELEPHONE_TOKEN=$(plugboard token … --mount tcp:chat:1) cargo run --example chat_tokio`, and then `chat_smol` elsewhere.

use telephone_tokio::{Stream, Telephone, TokioRuntime};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, Stdin};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(chat());
    // A thread still reads standard input: dropping the runtime would wait for its next line.
    runtime.shutdown_background();
    ended
}

async fn chat() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("PLUGBOARD_URL").unwrap_or_else(|_| "ws://127.0.0.1:4000".into());
    let (builder, mut acceptor) = Telephone::builder().url(&url).accept("tcp:chat:1");
    let telephone = builder.token(std::env::var("TELEPHONE_TOKEN")?).raw(TokioRuntime::new())?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let running = tokio::spawn(telephone.run_until(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }));
    let talking = async {
        let mut typed = BufReader::new(tokio::io::stdin()).lines();
        loop {
            println!("waiting for a call");
            let stream = Stream::from(acceptor.accept().await);
            println!(
                "somebody calls from {}",
                stream.peer_addr().map_or_else(String::new, |from| from.to_string())
            );
            if let Err(error) = talk(stream, &mut typed).await {
                println!("the call broke off: {error}");
            }
        }
    };
    tokio::select! {
        ended = running => Ok(ended??),
        () = talking => Ok(()),
    }
}

/// Shows what is heard and says what is typed, until either end hangs up.
async fn talk(stream: Stream, typed: &mut Lines<BufReader<Stdin>>) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut heard = BufReader::new(reader).lines();
    loop {
        tokio::select! {
            line = heard.next_line() => match line? {
                Some(line) => println!("< {line}"),
                None => return writer.shutdown().await,
            },
            line = typed.next_line() => match line? {
                Some(line) => writer.write_all(format!("{line}\n").as_bytes()).await?,
                None => return writer.shutdown().await,
            },
        }
    }
}

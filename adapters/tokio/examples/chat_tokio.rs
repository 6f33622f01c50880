//! One end of a conversation, on tokio: waits for somebody to call, and says what is typed.
//!
//! `TELEPHONE_TOKEN=$(plugboard token … --mount tcp:chat:1) cargo run --example chat_tokio`, and then `chat_smol` elsewhere.

use telephone_tokio::{Stream, Telephone, TokioRuntime};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, Stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("PLUGBOARD_URL").unwrap_or_else(|_| "ws://127.0.0.1:4000".into());
    let (builder, mut acceptor) = Telephone::builder().url(&url).accept("tcp:chat:1");
    let telephone = builder.token(std::env::var("TELEPHONE_TOKEN")?).raw(TokioRuntime::new())?;
    let running = tokio::spawn(telephone.run());
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

//! The other end of a conversation, on smol: calls `chat_tokio`, and sends what is typed. Ctrl-C and SIGTERM let it finish.
//!
//! `TELEPHONE_TOKEN=$(plugboard token … --connect chat:1) cargo run --example chat_smol`

use async_signal::{Signal, Signals};
use smol::Unblock;
use smol::future;
use smol::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, split};
use smol::stream::StreamExt as _;
use telephone_smol::{RawStream, SmolRuntime, Telephone};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("PLUGBOARD_URL").unwrap_or_else(|_| "ws://127.0.0.1:4000".into());
    let builder = Telephone::builder().url(&url).token(std::env::var("TELEPHONE_TOKEN")?);
    let telephone = builder.raw(SmolRuntime::default())?;
    let handle = telephone.handle();
    let calling = async {
        handle.connected().await;
        talk(handle.connect("tcp:chat:1")?).await?;
        handle.shutdown();
        future::pending().await
    };
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    let stopped = async move {
        signals.next().await;
    };
    smol::block_on(future::or(calling, async { Ok(telephone.run_until(stopped).await?) }))
}

/// Shows what is heard and says what is typed, until either end hangs up.
async fn talk(stream: RawStream) -> std::io::Result<()> {
    let (reader, mut writer) = split(stream);
    let hearing = async {
        let mut heard = BufReader::new(reader).lines();
        while let Some(line) = heard.next().await {
            println!("< {}", line?);
        }
        Ok(())
    };
    let saying = async {
        let mut typed = BufReader::new(Unblock::new(std::io::stdin())).lines();
        while let Some(line) = typed.next().await {
            writer.write_all(format!("{}\n", line?).as_bytes()).await?;
        }
        writer.close().await
    };
    // Whoever has nothing more to say may still listen.
    let both = async { future::try_zip(hearing, saying).await.map(|_| ()) };
    both.await
}

//! A SOCKS5 proxy that resolves every name to this machine, and remembers what it was asked for.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running proxy. Its threads end with their connections.
#[derive(Debug)]
pub struct Socks5 {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Socks5 {
    /// Gives tunnels to whoever has these credentials, `user:password`; to everybody if there are none.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start(credentials: Option<&'static str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let asked = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let asked = Arc::clone(&asked);
                // An error ends one connection, which its client sees.
                thread::spawn(move || serve(client, credentials, &asked));
            }
        });
        Self { addr, seen }
    }

    /// What `ALL_PROXY` takes.
    pub fn url(&self) -> String {
        format!("socks5h://{}", self.addr)
    }

    /// The same with credentials.
    pub fn url_as(&self, credentials: &str) -> String {
        format!("socks5://{credentials}@{}", self.addr)
    }

    /// The targets of all requests, as the clients wrote them.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read<const N: usize>(from: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Text behind one byte for its length.
fn read_text(from: &mut TcpStream) -> io::Result<String> {
    let [length] = read(from)?;
    let mut text = vec![0; length.into()];
    from.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn serve(mut client: TcpStream, credentials: Option<&str>, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let [5, count] = read(&mut client)? else { return Ok(()) };
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods)?;
    let wanted = if credentials.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        return client.write_all(&[5, 255]);
    }
    client.write_all(&[5, wanted])?;
    if let Some(credentials) = credentials {
        let [1] = read(&mut client)? else { return Ok(()) };
        let given = [read_text(&mut client)?, read_text(&mut client)?].join(":");
        client.write_all(&[1, u8::from(given != credentials)])?;
        if given != credentials {
            return Ok(());
        }
    }
    let [5, 1, 0, kind] = read(&mut client)? else { return Ok(()) };
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(&mut client)?).to_string(),
        3 => read_text(&mut client)?,
        _ => return client.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]),
    };
    let port = u16::from_be_bytes(read(&mut client)?);
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{host}:{port}"));
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    // The bound address as a name, which few clients expect.
    client.write_all(&[5, 0, 0, 3, 4, b'h', b'o', b's', b't', 0, 80])?;
    let (back, to) = (server.try_clone()?, client.try_clone()?);
    let answers = thread::spawn(move || pass(back, to));
    pass(client, server)?;
    let _ = answers.join();
    Ok(())
}

/// Passes one direction on, with its end.
fn pass(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let passed = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    passed.map(drop)
}

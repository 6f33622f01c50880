//! A token that is revoked after it was verified and before that has taken effect: what it opened ends all the same.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use telephone_driver::core::mount::Mount;
use telephone_driver::core::wire::Stats;
use telephone_driver::{
    AccessRecord, AuthError, Authority, Bearer, Endpoint, Grant, Handle, LEEWAY, Listener as _, Observer,
    Plugboard, RelayConfig, RoomsConfig, Runtime as _, Telephone, TokenSource, WhenFull, accept_loop,
};
use telephone_tokio::TokioRuntime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Finds every token good, and one of them revoked right behind that verdict: before the relay can act on it, the revocation
/// has gone through the sessions and clients that there are.
#[derive(Default)]
struct Rash {
    relay: OnceLock<Plugboard<TokioRuntime>>,
    /// The next verdict is followed by a revocation.
    is_armed: AtomicBool,
    is_revoked: AtomicBool,
    verdicts: AtomicUsize,
    /// How long the first token lasts; others have no end.
    first_life: Option<Duration>,
}

impl Rash {
    /// The name of a token that is good: each has another one.
    fn judge(&self) -> Result<Option<String>, AuthError> {
        if self.is_revoked.load(Ordering::SeqCst) {
            return Err(AuthError::Revoked);
        }
        let name = format!("t{}", self.verdicts.fetch_add(1, Ordering::SeqCst));
        if self.is_armed.load(Ordering::SeqCst) {
            self.is_revoked.store(true, Ordering::SeqCst);
            let found = self.relay.get().expect("a relay").revoke(|_, token_id| token_id == Some(&name));
            assert_eq!(found, 0, "what the token opens is there already");
        }
        Ok(Some(name))
    }
}

impl Authority for Rash {
    fn verify(&self, _: &str) -> Result<Grant, AuthError> {
        let token_id = self.judge()?;
        let is_first = token_id.as_deref() == Some("t0");
        Ok(Grant {
            subject: "shop".into(),
            good_for: self.first_life.filter(|_| is_first).map(|life| life + LEEWAY),
            token_id,
            mounts: vec!["room:r".into()],
            connect: Vec::new(),
            client_tokens: false,
        })
    }

    fn verify_client(&self, _: &str, _: &Mount) -> Result<Bearer, AuthError> {
        Ok(Bearer { subject: "ann".into(), token_id: self.judge()? })
    }

    fn is_revoked(&self, _: &str, _: Option<&str>) -> bool {
        self.is_revoked.load(Ordering::SeqCst)
    }
}

/// Remembers how sessions ended.
#[derive(Default)]
struct Ends(Mutex<Vec<&'static str>>);

impl Observer for Ends {
    fn request_ended(&self, _: &AccessRecord<'_>) {}

    fn session_ended(&self, _: &str, reason: &'static str, _: &Stats) {
        self.0.lock().unwrap().push(reason);
    }
}

/// A token that is never the same, so that a refusal of one is not the end.
#[derive(Default)]
struct Fresh(AtomicUsize);

impl TokenSource for Fresh {
    fn token(&self) -> io::Result<String> {
        Ok(format!("a.b.{}", self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// A relay, and a telephone behind a hop that can be cut.
struct Stage {
    authority: Arc<Rash>,
    ends: Arc<Ends>,
    public: SocketAddr,
    telephone: Handle,
    hop: SocketAddr,
    carried: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Stage {
    async fn new(authority: Rash) -> Self {
        let (authority, ends, runtime) =
            (Arc::new(authority), Arc::new(Ends::default()), TokioRuntime::new());
        let rooms = Some(RoomsConfig { client_tokens: true, origins: Vec::new() });
        let config = RelayConfig { rooms, ..RelayConfig::default() };
        let relay = Plugboard::new(runtime, config, authority.clone(), ends.clone());
        assert!(authority.relay.set(relay.clone()).is_ok());
        let listener = runtime.bind(ANY.into()).unwrap();
        let public = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let serve = |socket, peer| {
                let relay = relay.clone();
                tokio::spawn(async move { relay.serve_connection(socket, peer).await });
            };
            accept_loop(&runtime, listener, WhenFull::Shed, serve, std::future::pending()).await;
        });
        let carried = Arc::default();
        let hop = hop(public, Arc::clone(&carried)).await;
        let backend = Endpoint::Tcp { host: "127.0.0.1".into(), port: 1 };
        let builder =
            Telephone::builder().url(&format!("ws://{hop}")).mount("room:r").token_source(Fresh::default());
        let telephone = builder.instance("one").backend(runtime, backend).unwrap();
        let handle = telephone.handle();
        tokio::spawn(telephone.run());
        Self { authority, ends, public, telephone: handle, hop, carried }
    }

    async fn until_linked(&self) {
        until("the telephone is linked", || self.telephone.status().is_connected()).await;
    }

    /// Loses the telephone's link, which it then dials anew.
    async fn cut(&self) {
        let carried = std::mem::take(&mut *self.carried.lock().unwrap());
        assert_eq!(carried.len(), 1, "by way of {}", self.hop);
        for task in carried {
            task.abort();
            let _ = task.await;
        }
    }

    async fn until_ended_as_revoked(&self) {
        until("the session ends", || !self.ends.0.lock().unwrap().is_empty()).await;
        assert_eq!(*self.ends.0.lock().unwrap(), ["revoked"]);
    }
}

/// Carries connections to `to`.
async fn hop(to: SocketAddr, carried: Arc<Mutex<Vec<JoinHandle<()>>>>) -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let task = tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
            carried.lock().unwrap().push(task);
        }
    });
    address
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn armed() -> Rash {
    Rash { is_armed: AtomicBool::new(true), ..Rash::default() }
}

#[tokio::test]
async fn a_token_that_is_revoked_while_its_telephone_registers_ends_the_session() {
    let stage = Stage::new(armed()).await;
    stage.until_ended_as_revoked().await;
    assert_eq!(stage.authority.verdicts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_is_revoked_while_its_session_is_resumed_ends_the_session() {
    let stage = Stage::new(Rash::default()).await;
    stage.until_linked().await;
    stage.authority.is_armed.store(true, Ordering::SeqCst);
    stage.cut().await;
    stage.until_ended_as_revoked().await;
    assert_eq!(stage.authority.verdicts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_is_revoked_while_it_renews_a_session_ends_it() {
    let stage = Stage::new(Rash { first_life: Some(Duration::from_secs(3)), ..Rash::default() }).await;
    stage.until_linked().await;
    stage.authority.is_armed.store(true, Ordering::SeqCst);
    stage.until_ended_as_revoked().await;
    assert_eq!(stage.authority.verdicts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_clients_token_that_is_revoked_while_it_comes_in_lets_it_in_no_further() {
    let stage = Stage::new(Rash::default()).await;
    stage.until_linked().await;
    stage.authority.is_armed.store(true, Ordering::SeqCst);
    let mut client = TcpStream::connect(stage.public).await.unwrap();
    let request =
        "GET /client?room=r HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\nConnection: close\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

//! Descriptors of a plugboard when connections are many, or do not read.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _};
use telephone_driver::{
    AuthError, Authority, Grant, Listener as _, Plugboard, RelayConfig, Runtime as _, TcpPorts, Unobserved,
};
use telephone_virtual::{Cut, Executor, Net, PUBLIC_PORT, VirtualRuntime, VirtualSocket, Weather};

const SECOND: Duration = Duration::from_secs(1);
/// The port that the plugboard opens for telephones.
const RAW_PORT: u16 = 5432;
/// What a peer that does not read leaves room for.
const ROOM: usize = 64;

/// Lets in who knows the word.
struct Word;

impl Authority for Word {
    fn verify(&self, token: &str) -> Result<Grant, AuthError> {
        if token != "good" {
            return Err(AuthError::BadSignature);
        }
        Ok(Grant {
            subject: "desk".into(),
            token_id: None,
            mounts: vec!["/m".into(), format!("tcp:{RAW_PORT}")],
            connect: Vec::new(),
            client_tokens: false,
            good_for: None,
        })
    }
}

/// A plugboard whose connections a test accepts by itself.
struct Scene {
    executor: Executor,
    net: Net,
    plugboard: Plugboard<VirtualRuntime>,
    relay: VirtualRuntime,
    accepted: Arc<Mutex<Vec<(VirtualSocket, SocketAddr)>>>,
}

/// One end of a connection to it.
struct Peer {
    executor: Executor,
    socket: VirtualSocket,
}

fn host(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

impl Scene {
    fn new(connections: usize, grace: Duration) -> Self {
        fastrand::seed(7);
        let executor = Executor::new();
        let net = Net::new(executor.clone(), 7);
        let relay = VirtualRuntime::new(&executor, &net, "plugboard", host(1));
        let tcp = TcpPorts { address: host(1), ports: RAW_PORT..=RAW_PORT, are_shared: false };
        let mut config = RelayConfig { connections, tcp: Some(tcp), ..RelayConfig::default() };
        (config.router.start_grace, config.router.park_time) = (grace, 3600 * SECOND);
        let plugboard = Plugboard::new(relay.clone(), config, Arc::new(Word), Arc::new(Unobserved));
        let listener = relay.bind(SocketAddr::new(host(1), PUBLIC_PORT)).expect("nobody listens there");
        let accepted = Arc::<Mutex<Vec<_>>>::default();
        let list = accepted.clone();
        relay.spawn(async move {
            while let Ok(one) = listener.accept().await {
                list.lock().expect("no panic").push(one);
            }
        });
        Self { executor, net, plugboard, relay, accepted }
    }

    /// Runs a future of a client to its end.
    fn run<T>(executor: &Executor, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        for _ in 0..100_000 {
            if let Some(done) = block_on(poll_once(work.as_mut())) {
                return done;
            }
            executor.run_for(Duration::from_millis(1));
        }
        panic!("a client waits for ever");
    }

    /// A connection of that host, which the plugboard does not know of yet.
    fn connect(&self, number: u8) -> Peer {
        let from = VirtualRuntime::new(&self.executor, &self.net, "client", host(number));
        let address = SocketAddr::new(host(1), PUBLIC_PORT);
        let socket = Self::run(&self.executor, from.connect_tcp(address)).expect("the plugboard listens");
        Peer { executor: self.executor.clone(), socket }
    }

    /// Has the plugboard serve what has connected.
    fn serve(&self) {
        for (socket, peer) in self.accepted.lock().expect("no panic").drain(..) {
            self.relay.spawn(self.plugboard.serve_connection(socket, peer));
        }
    }

    fn open(&self, number: u8) -> Peer {
        let peer = self.connect(number);
        self.executor.run_for(Duration::from_millis(1));
        self.serve();
        peer
    }

    /// A connection on which a client has said so much.
    fn opened(&self, number: u8, said: &str) -> Peer {
        let mut peer = self.open(number);
        peer.say(said.as_bytes());
        self.executor.run_for(Duration::from_millis(10));
        peer
    }

    /// A link whose telephone has read the 101.
    fn link(&self, number: u8) -> Peer {
        let mut peer = self.opened(number, UPGRADE);
        let head = peer.hear(|heard| heard.ends_with(b"\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        peer
    }
}

impl Peer {
    fn say(&mut self, octets: &[u8]) {
        let executor = self.executor.clone();
        Scene::run(&executor, self.socket.write_all(octets)).expect("the plugboard reads");
    }

    /// Reads a byte at a time until that is enough, or to the end.
    fn hear(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> String {
        let (executor, mut heard) = (self.executor.clone(), Vec::new());
        while !is_enough(&heard) {
            let mut byte = [0];
            match Scene::run(&executor, self.socket.read(&mut byte)) {
                Ok(1) => heard.extend(byte),
                _ => break,
            }
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn greet(&mut self, token: &str, mount: &str, resume: &str) {
        let hello = format!(
            "{{\"type\":\"auth\",\"data\":{{\"token\":\"{token}\",\"mounts\":[\"{mount}\"],\"instance\":\"i\",\
             \"epoch\":1,\"settings\":{{\"resume\":1}},\"resume\":{resume}}}}}"
        );
        self.say(&frame(0x81, hello.as_bytes()));
    }
}

const UPGRADE: &str = "GET /.well-known/telephone HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: telephone.v1.json\r\n\r\n";
/// A request for a telephone that may yet come.
const ASKED: &str = "GET /m/x HTTP/1.1\r\nHost: a\r\n\r\n";

/// A client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = vec![first];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => head.push(0x80 | short),
        _ => {
            head.push(0x80 | 126);
            head.extend(u16::try_from(payload.len()).expect("a short payload").to_be_bytes());
        }
    }
    head.extend([0; 4]);
    [&head, payload].concat()
}

/// Peers that take what they read and no more than that.
fn narrow(scene: &Scene) {
    scene.net.set_weather(PUBLIC_PORT, Weather { capacity: ROOM, ..Weather::default() });
}

#[test]
fn a_refused_telephone_that_does_not_read_is_closed_soon() {
    let scene = Scene::new(100, SECOND);
    narrow(&scene);
    let mut link = scene.link(2);
    link.greet("bad", "/m", "null");
    scene.executor.run_for(SECOND);
    assert_eq!(scene.plugboard.connections(), 1, "the refusal is on its way");
    scene.executor.run_for(4 * SECOND);
    assert_eq!(scene.plugboard.connections(), 0);
    scene.executor.clear();
}

#[test]
fn a_telephone_that_does_not_take_the_101_is_closed_when_a_client_would_be() {
    let scene = Scene::new(100, SECOND);
    narrow(&scene);
    let _link = scene.opened(2, UPGRADE);
    scene.executor.run_for(590 * SECOND);
    assert_eq!(scene.plugboard.connections(), 1);
    scene.executor.run_for(15 * SECOND);
    assert_eq!(scene.plugboard.connections(), 0);
    scene.executor.clear();
}

#[test]
fn a_superseded_link_counts_until_its_socket_is_closed() {
    let scene = Scene::new(100, SECOND);
    narrow(&scene);
    let mut first = scene.link(2);
    first.greet("good", "/m", "null");
    let welcome = first.hear(|heard| heard.ends_with(b"}}}"));
    let field = |name: &str| {
        let (_, rest) = welcome.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{welcome}"));
        rest.split(',').next().expect("a value").to_owned()
    };
    let resume =
        format!("{{\"session\":{},\"secret\":{},\"position\":0}}", field("session"), field("secret"));
    // Its pong is longer than what the peer takes.
    first.say(&frame(0x89, &[7; 125]));
    let mut second = scene.link(2);
    second.greet("good", "/m", &resume);
    assert!(second.hear(|heard| heard.ends_with(b"}}}")).contains("\"resumed\":0"));
    scene.executor.run_for(SECOND / 2);
    // Both of the two peers', too.
    assert_eq!((scene.net.sockets(), scene.plugboard.connections()), (4, 2));
    scene.executor.run_for(4 * SECOND);
    assert_eq!((scene.net.sockets(), scene.plugboard.connections()), (3, 1));
    scene.executor.clear();
}

#[test]
fn a_port_that_is_opened_while_many_wait_for_their_turn_closes_none_of_them() {
    let scene = Scene::new(50, 3600 * SECOND);
    let mut parked: Vec<Peer> = (0..38).map(|number| scene.opened(10 + number, ASKED)).collect();
    let mut link = scene.link(2);
    link.greet("good", &format!("tcp:{RAW_PORT}"), "null");
    let welcome = link.hear(|heard| heard.ends_with(b"}}}"));
    assert!(welcome.contains("auth_success"), "{welcome}");
    scene.executor.run_for(2 * SECOND);
    // With the port 40 descriptors are in use of 50, which is the mark of the table.
    parked.push(scene.opened(3, ASKED));
    scene.executor.run_for(SECOND);
    assert_eq!(scene.plugboard.connections(), 40);
    assert_eq!(scene.plugboard.exchanges(), 39);
    scene.executor.clear();
}

#[test]
fn a_request_that_came_before_its_kept_connection_was_closed_for_another_is_answered() {
    let scene = Scene::new(10, Duration::ZERO);
    let _fresh: Vec<Peer> = (0..7).map(|number| scene.open(10 + number)).collect();
    let mut kept = scene.open(2);
    kept.say(ASKED.as_bytes());
    let first = kept.hear(|heard| heard.ends_with(b"connected.\n"));
    assert!(!first.contains("close"), "{first}");
    scene.executor.run_for(SECOND / 10);
    let dark = Cut::Dark { up: true, down: false, time: None };
    scene.net.cut_all(PUBLIC_PORT, dark);
    kept.say(ASKED.as_bytes());
    let newcomer = scene.connect(3);
    scene.executor.run_for(SECOND / 10);
    // The request is there and the connection is chosen, before its task looks at either.
    scene.net.heal(PUBLIC_PORT);
    scene.serve();
    let second = kept.hear(|_| false);
    assert!(second.starts_with("HTTP/1.1 ") && second.contains("Connection: close"), "{second:?}");
    scene.executor.run_for(3 * SECOND);
    drop(newcomer);
    scene.executor.clear();
}

//! The accept loop in a process that really has no descriptor left (T-19). One test in a program of
//! its own, since the table belongs to the whole process.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::channel;
use socket2::{Domain, Type};
use telephone_driver::{Endpoint, Listener, Runtime, WhenFull, accept_loop};

const DESCRIPTORS: u64 = 128;
/// One at a time they would take four seconds.
const CROWD_TIME: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_full_file_table_sheds_or_serves_and_the_loop_goes_on() {
    let unlimited = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..unlimited }).unwrap();

    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
    let context = tokio.enter();
    sheds_and_goes_on(&telephone_tokio::TokioRuntime::new());
    serves_out_of_the_reserve(&telephone_tokio::TokioRuntime::new());
    says_so_to_who_connects(&telephone_tokio::TokioRuntime::new());
    drop(context);
    drop(tokio);

    sheds_and_goes_on(&telephone_smol::SmolRuntime::new());
    serves_out_of_the_reserve(&telephone_smol::SmolRuntime::new());
    says_so_to_who_connects(&telephone_smol::SmolRuntime::new());
}

fn sheds_and_goes_on<R: Runtime>(runtime: &R) {
    let (address, accepted) = start(runtime, WhenFull::Shed);
    let _served = connect(client(), address);
    let _held = accepted.recv_blocking().unwrap();
    let clients = [client(), client()];
    let crowd: Vec<_> = (0..40).map(|_| client()).collect();
    let late = client();
    let full = fill_the_table();
    // Kept until the end, or its descriptor would serve the next.
    let shed = clients.map(|client| {
        let mut client = connect(client, address);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "neither served nor refused");
        client
    });
    // All that wait are shed in one turn, and not one in each 100 ms.
    let began = Instant::now();
    let crowd: Vec<_> = crowd.into_iter().map(|client| connect(client, address)).collect();
    for mut client in &crowd {
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "neither served nor refused");
    }
    assert!(began.elapsed() < CROWD_TIME, "{:?}", began.elapsed());
    assert!(accepted.is_empty());
    drop((full, shed, crowd));
    let _late = connect(late, address);
    accepted.recv_blocking().unwrap();
}

fn serves_out_of_the_reserve<R: Runtime>(runtime: &R) {
    let (address, accepted) = start(runtime, WhenFull::Serve);
    let _served = connect(client(), address);
    let _held = accepted.recv_blocking().unwrap();
    let probes = [client(), client()];
    let _full = fill_the_table();
    for probe in probes {
        // Each probe's descriptor is free again when its answer has been given.
        let _probe = connect(probe, address);
        drop(accepted.recv_blocking().unwrap());
    }
}

/// To an address, to a name that has to be looked up, and to a Unix socket.
fn says_so_to_who_connects<R: Runtime>(runtime: &R) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = |host: &str| Endpoint::Tcp { host: host.into(), port };
    let _full = fill_the_table();
    for endpoint in [tcp("127.0.0.1"), tcp("::1"), tcp("localhost"), Endpoint::Unix("/nowhere".into())] {
        let error =
            smol::future::block_on(runtime.connect(&endpoint)).err().and_then(|error| error.raw_os_error());
        assert_eq!(error, Some(rustix::io::Errno::MFILE.raw_os_error()), "{endpoint:?}");
    }
}

/// A loop under way, and what it accepts.
fn start<R: Runtime>(runtime: &R, when_full: WhenFull) -> (SocketAddr, channel::Receiver<R::Socket>) {
    let listener = runtime.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, accepted) = channel::unbounded();
    let of_loop = runtime.clone();
    runtime.spawn(async move {
        let on_socket = |socket, _peer| drop(sender.try_send(socket));
        accept_loop(&of_loop, listener, when_full, on_socket, std::future::pending()).await;
    });
    (address, accepted)
}

/// A client that has its descriptor already.
fn client() -> socket2::Socket {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn connect(client: socket2::Socket, address: SocketAddr) -> TcpStream {
    client.connect(&address.into()).unwrap();
    client.into()
}

fn fill_the_table() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

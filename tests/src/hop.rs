//! A TCP hop that counts connections and can end them: what a telephone's network does to its links.

use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::beside::beside;
use crate::net::free_addr;
use crate::wait;

/// Octets that are moved in one go.
const PIECE: usize = 64 * 1024;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ends see an orderly end of the stream (FIN) behind what was on its way.
    Finish,
    /// Both ends see a reset (RST), and what was on its way is lost.
    Reset,
    /// Neither end sees anything: no octet moves any more, in sockets that stay open. The next cut resets them.
    Silence,
}

impl Cut {
    /// All of them, in the order in which they take turns.
    pub const TURNS: [Self; 3] = [Self::Finish, Self::Reset, Self::Silence];
}

/// What becomes of new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// They are passed on.
    #[default]
    Open,
    /// They are reset.
    Shut,
    /// They end at once in an orderly way (FIN), as at a balancer that has nobody behind it.
    Vacant,
    /// They are taken, and then nothing: as after [`Cut::Silence`].
    Silent,
}

/// A running hop; it ends, with all of its connections, when it is dropped.
#[derive(Debug)]
pub struct Hop {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    door: Door,
    arrivals: Vec<Instant>,
    passing: Vec<Orders>,
    /// Those that a cut left half-open: the next one resets them.
    lingering: Vec<Orders>,
}

/// What a connection is told. It takes the loss of this for a reset.
type Orders = mpsc::UnboundedSender<Cut>;

impl Hop {
    /// Passes everything on to `target`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn before(target: SocketAddr) -> Self {
        let addr = free_addr();
        let listener = std::net::TcpListener::bind(addr).expect("the address is free");
        listener.set_nonblocking(true).expect("an option of every socket");
        let shared = Arc::new(Shared { target, state: Mutex::default() });
        let server = shared.clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = server.listen(&listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What `--plugboard` takes to get to a relay behind it.
    pub fn url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// Connections that it took so far, whatever became of them.
    pub fn accepted(&self) -> usize {
        self.shared.lock().arrivals.len()
    }

    /// When each of them came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.shared.lock().arrivals.clone()
    }

    /// Decides about new connections from now on. What was half-open until then is reset, as by a router that has
    /// forgotten it.
    pub fn set_door(&self, door: Door) {
        let mut state = self.shared.lock();
        state.door = door;
        state.lingering.clear();
    }

    /// Ends all connections that pass something, and says how many those were. What an earlier cut or a silent
    /// door left half-open is reset.
    pub fn cut(&self, how: Cut) -> usize {
        let mut state = self.shared.lock();
        // They learn of it by the loss of their orders.
        state.lingering.clear();
        // An order finds nobody where the connection has ended by itself.
        let cut: Vec<Orders> =
            mem::take(&mut state.passing).into_iter().filter(|one| one.send(how).is_ok()).collect();
        let count = cut.len();
        match how {
            Cut::Finish | Cut::Silence => state.lingering = cut,
            Cut::Reset => {}
        }
        count
    }

    /// Cuts each `gap` by the next of [`Cut::TURNS`] while `work` is done. Says how often each of them ended
    /// something; it is nobody's turn while nothing passes.
    ///
    /// # Panics
    /// If the work does.
    pub fn cut_while<T>(&self, gap: Duration, work: impl FnOnce() -> T) -> (T, [usize; 3]) {
        beside(work, |is_done| self.cut_by_turns(gap, is_done))
    }

    fn cut_by_turns(&self, gap: Duration, is_over: impl Fn() -> bool) -> [usize; 3] {
        let (mut counts, mut turn) = ([0; 3], 0);
        for _ in wait::paced(Instant::now() + gap, gap).take_while(|_| !is_over()) {
            if self.cut(Cut::TURNS[turn]) > 0 {
                counts[turn] += 1;
                turn = (turn + 1) % Cut::TURNS.len();
            }
        }
        counts
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        // The runtime ends with its thread, and every connection with the runtime.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and the test has seen its effect.
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            self.lock().arrivals.push(Instant::now());
            let shared = self.clone();
            tokio::spawn(async move { shared.take(client).await });
        }
    }

    async fn take(&self, mut client: TcpStream) {
        let door = self.lock().door;
        let server = match door {
            Door::Open => TcpStream::connect(self.target).await.ok(),
            Door::Shut | Door::Vacant | Door::Silent => None,
        };
        let (orders, ordered) = mpsc::unbounded_channel();
        // Judged once more, and noted under the same lock, so that none slips in behind a cut.
        let door = {
            let mut state = self.lock();
            match state.door {
                Door::Open => {
                    state.passing.retain(|other| !other.is_closed());
                    state.passing.push(orders);
                }
                Door::Silent => state.lingering.push(orders),
                Door::Shut | Door::Vacant => {}
            }
            state.door
        };
        match (door, server) {
            (Door::Open, Some(server)) => pass(client, server, ordered).await,
            (Door::Silent, _) => hold(client, ordered).await,
            (Door::Vacant, _) => {
                finish(&client);
                // A close over unread octets would be a reset.
                let _ended = drain(&mut client).await;
            }
            (Door::Open, None) | (Door::Shut, _) => reset(&client),
        }
    }
}

/// Keeps a connection open and moves nothing, until the next cut.
async fn hold(client: TcpStream, mut ordered: mpsc::UnboundedReceiver<Cut>) {
    ordered.recv().await;
    reset(&client);
}

/// Moves everything both ways until both ends have finished, one has broken, or an order ends it.
async fn pass(mut client: TcpStream, mut server: TcpStream, mut ordered: mpsc::UnboundedReceiver<Cut>) {
    let order = tokio::select! {
        _either_way = exchange(&mut client, &mut server) => return,
        order = ordered.recv() => order,
    };
    match order {
        Some(Cut::Silence) => {
            ordered.recv().await;
        }
        Some(Cut::Finish) => {
            finish(&client);
            finish(&server);
            // A close over unread octets would be a reset.
            tokio::select! {
                _drained = async { tokio::join!(drain(&mut client), drain(&mut server)) } => {}
                _ = ordered.recv() => {}
            }
        }
        Some(Cut::Reset) | None => {}
    }
    reset(&client);
    reset(&server);
}

/// Ends what is sent.
fn finish(socket: &TcpStream) {
    // Fails where the peer was faster, which is as good.
    let _done = SockRef::from(socket).shutdown(Shutdown::Write);
}

/// Makes the close that follows a reset.
fn reset(socket: &TcpStream) {
    // Fails where the peer was faster, which is as good.
    let _done = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

async fn exchange(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::try_join!(copy(from_client, to_server), copy(from_server, to_client))?;
    Ok(())
}

/// Copies one direction, and its end with it.
async fn copy(from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
    tokio::io::copy_buf(&mut BufReader::with_capacity(PIECE, from), &mut to).await?;
    to.shutdown().await
}

/// Throws away what still comes.
async fn drain(socket: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}

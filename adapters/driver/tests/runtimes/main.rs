//! What every runtime binding must do, checked on each of them with real sockets.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_lite::future;
use telephone_driver::{Endpoint, Runtime};

/// Makes a test of each generic function for tokio, for smol, for smol with an executor that is named, as in the
/// sidecar, and for smol's binding under an executor that is not smol's, as in async-std programs.
macro_rules! on_every_runtime {
    ($($test:ident),+ $(,)?) => {
        mod on_tokio {
            $(#[test]
            fn $test() {
                let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
                let runtime = telephone_tokio::TokioRuntime::new();
                tokio.unwrap().block_on(crate::bounded(runtime, super::$test(runtime)));
            })+
        }
        mod on_smol {
            $(#[test]
            fn $test() {
                let runtime = telephone_smol::SmolRuntime::new();
                smol::block_on(crate::bounded(runtime, super::$test(runtime)));
            })+
        }
        mod on_smol_with_an_executor {
            $(#[test]
            fn $test() {
                let executor: &'static smol::Executor<'static> = Box::leak(Box::default());
                let runtime = telephone_smol::SmolRuntime::on(executor);
                // Some tests block one thread with a client.
                std::thread::spawn(|| smol::block_on(executor.run(smol::future::pending::<()>())));
                smol::block_on(executor.run(crate::bounded(runtime, super::$test(runtime))));
            })+
        }
        mod on_smol_in_a_foreign_executor {
            $(#[test]
            fn $test() {
                let runtime = telephone_smol::SmolRuntime::new();
                futures_lite::future::block_on(crate::bounded(runtime, super::$test(runtime)));
            })+
        }
    };
}

mod accepting;
#[path = "../../src/log/capture.rs"]
mod capture;
mod connecting;
mod scripted;
mod sockets;
mod tasks;
#[cfg(feature = "tls")]
mod tls;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// For a test that gives its port up: no other may then take it.
fn any_port_of_an_own_address() -> SocketAddr {
    static TAKEN: AtomicU8 = AtomicU8::new(1);
    (Ipv4Addr::new(127, 1, 0, TAKEN.fetch_add(1, Ordering::Relaxed)), 0).into()
}

/// Fails a test that hangs.
async fn bounded<R: Runtime>(runtime: R, test: impl Future<Output = ()>) {
    let too_long = async {
        sleep(&runtime, Duration::from_secs(30)).await;
        panic!("the test hangs");
    };
    future::or(test, too_long).await;
}

async fn sleep<R: Runtime>(runtime: &R, duration: Duration) {
    runtime.sleep_until(runtime.now() + duration).await;
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::Tcp { host: address.ip().to_string(), port: address.port() }
}

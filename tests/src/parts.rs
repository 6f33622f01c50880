//! Parts from package registries, as `tests/parts/install` puts them below `target/parts`: Yjs and its server, Vite,
//! WsgiDAV, gunicorn, Jupyter, tus, Socket.IO, an application with NTLM, WebSocket programs for Node and Python.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::bins;
use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::wait;

/// What Jupyter's server asks of its pages.
pub const JUPYTER_TOKEN: &str = "t0k3n";

/// Where they are.
///
/// # Panics
/// If they were not installed.
pub(crate) fn directory() -> PathBuf {
    let parts = bins::directory().parent().expect("target").join("parts");
    assert!(
        parts.join("installed").is_file(),
        "tests/parts/install puts the real parts into {}",
        parts.display()
    );
    parts
}

/// A script of `tests/parts`.
fn script(name: &str) -> PathBuf {
    bins::workspace().join("tests/parts").join(name)
}

/// A script of `tests/parts` for Node.
pub fn node(name: &str) -> Plan {
    Plan::new("node").env("NODE_PATH", directory().join("node_modules")).arg(script(name))
}

/// A script of `tests/parts` for Python.
pub fn python(name: &str) -> Plan {
    Plan::new("python3").env("PYTHONPATH", directory().join("python")).arg(script(name))
}

/// Runs a part to its end, which must be a good one, and returns what it printed.
///
/// # Panics
/// If it does not end well within the time.
pub fn run(plan: Plan, within: Duration) -> String {
    let mut process = plan.start();
    let code = process.wait_exit(within).code();
    assert_eq!(code, Some(0), "{}", process.said());
    process.stdout()
}

/// A server for Node on a port of this machine; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    process: Process,
    /// Its files, which go with it.
    _directory: Option<TempDir>,
}

impl Server {
    /// Yjs' own.
    pub fn yjs() -> Self {
        let addr = free_addr();
        let program = directory().join("node_modules/y-websocket/bin/server.cjs");
        let plan = Plan::new("node").arg(program).env("HOST", "127.0.0.1");
        Self::start(addr, plan.env("PORT", addr.port().to_string()))
    }

    /// One that answers each message with itself.
    pub fn echo() -> Self {
        let addr = free_addr();
        Self::start(addr, node("echo.cjs").arg(addr.port().to_string()))
    }

    /// A web application whose logins belong to a connection.
    pub fn ntlm() -> Self {
        let addr = free_addr();
        Self::start(addr, node("ntlm.cjs").arg(addr.port().to_string()))
    }

    /// Socket.IO's server below `/m/`, which answers with `name`.
    pub fn socket_io(name: &str) -> Self {
        let addr = free_addr();
        Self::start(addr, node("socketio.cjs").args(["serve", &addr.port().to_string(), name]))
    }

    /// Vite's development server for the project in `directory`, at ::1 alone.
    pub fn vite(directory: &Path) -> Self {
        let addr = SocketAddr::from((Ipv6Addr::LOCALHOST, free_addr().port()));
        let program = self::directory().join("node_modules/vite/bin/vite.js");
        let plan = Plan::new("node").arg(program).arg(directory);
        let port = addr.port().to_string();
        Self::start(
            addr,
            plan.args(["--host", "::1", "--port", &port, "--strictPort", "--clearScreen", "false"]),
        )
    }

    /// WsgiDAV, which serves `directory` to everybody.
    pub fn wsgidav(directory: &Path) -> Self {
        let addr = free_addr();
        let plan = Plan::new("python3").env("PYTHONPATH", self::directory().join("python"));
        let plan = plan.args(["-m", "wsgidav.server.server_cli", "--no-config", "--auth", "anonymous"]);
        let plan = plan.args(["--host", "127.0.0.1", "--port", &addr.port().to_string(), "--root"]);
        Self::start(addr, plan.arg(directory))
    }

    /// gunicorn with threads, and with its defaults for all else: an idle connection closes after 2 s. It answers each request
    /// with its own body.
    pub fn gunicorn() -> Self {
        let addr = free_addr();
        let plan = Plan::new("python3").env("PYTHONPATH", self::directory().join("python"));
        let plan = plan.env("PYTHONDONTWRITEBYTECODE", "1");
        let plan = plan.args(["-m", "gunicorn", "--threads", "4", "--bind", &addr.to_string()]);
        Self::start(addr, plan.arg("--chdir").arg(script("")).arg("wsgi_echo:app"))
    }

    /// Node's own server with its defaults: an idle connection closes after 5 s. It answers each request with its own body.
    pub fn node() -> Self {
        let addr = free_addr();
        Self::start(addr, node("keep.cjs").arg(addr.port().to_string()))
    }

    /// Jupyter's server below `/m/`, with its defaults else: it takes no host but its own. It is there with `E2E_FULL=1` alone.
    pub fn jupyter() -> Self {
        let (addr, parts) = (free_addr(), self::directory().join("python-full"));
        let home = tempfile::tempdir().expect("a temporary directory");
        let plan = Plan::new("python3").env("PYTHONPATH", &parts).env("HOME", home.path());
        let plan = plan.env("JUPYTER_PATH", parts.join("share/jupyter")).args(["-m", "jupyter_server"]);
        let plan = plan.args(["--allow-root", "--no-browser", "--ServerApp.base_url=/m/"]);
        let plan = plan.arg(format!("--ServerApp.port={}", addr.port())).arg("--ServerApp.port_retries=0");
        let plan = plan.arg(format!("--IdentityProvider.token={JUPYTER_TOKEN}"));
        let plan = plan.arg(format!("--ServerApp.root_dir={}", home.path().display()));
        Self { _directory: Some(home), ..Self::start(addr, plan) }
    }

    /// A stand-in for the Docker daemon that runs the programs of `docker exec`.
    pub fn docker() -> Self {
        let addr = free_addr();
        Self::start(addr, python("exec.py").arg(addr.port().to_string()))
    }

    /// Asks it to end, with all processes that it started.
    ///
    /// # Panics
    /// If it does not.
    pub fn stop(mut self) {
        self.process.signal(Signal::TERM);
        self.process.wait_exit(wait::PATIENCE);
    }

    fn start(addr: SocketAddr, plan: Plan) -> Self {
        let process = plan.start();
        wait::until_true("the server listens", wait::PATIENCE, || is_listening(addr));
        Self { addr, process, _directory: None }
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What `--backend` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

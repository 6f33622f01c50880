//! The mistakes, and what they are made with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;
use telephone_tests::bins;
use telephone_tests::certs::Certs;
use telephone_tests::jwt;
use telephone_tests::net::free_addr;
use telephone_tests::nginx::Nginx;
use telephone_tests::process::Plan;
use telephone_tests::raw::RawBackend;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::tinyproxy::Tinyproxy;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// So many lines of a program that goes on.
    Lines(usize),
    /// All lines of a program that ends, and its exit code.
    Exit,
}

use Until::{Exit, Lines};

/// One mistake.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) until: Until,
    /// What to start, and the names of what differs from run to run.
    pub(super) plan: fn(&World) -> (Plan, Names),
    /// What to start beside it once it is connected.
    pub(super) then: Option<fn(&World) -> Plan>,
}

pub(super) type Names = BTreeMap<String, &'static str>;

/// What the mistakes are made with.
pub(super) struct World {
    program: Program,
    relay: Relay,
    files: Nginx,
    plain_hop: Nginx,
    empty_front: Nginx,
    tls: Tls,
    proxy: Tinyproxy,
    /// Holds the mount /held.
    _holder: Sidecar,
    no_web: RawBackend,
    closed: SocketAddr,
}

/// Servers with TLS before the relay.
struct Tls {
    good: (Nginx, Certs),
    old: (Nginx, Certs),
    elsewhere: (Nginx, Certs),
}

impl World {
    pub(super) fn start(program: Program) -> Self {
        let relay = Relay::with(&["--limit", "start-grace=0s"]);
        let server = |name: &str, names: &[&str], until| {
            let path = relay.directory().join(name);
            std::fs::create_dir(&path).expect("a directory of our own");
            let certs = Certs::make_for(&path, names, until);
            (Nginx::tls_before(relay.addr(), &certs), certs)
        };
        let tls = Tls {
            good: server("good", &["127.0.0.1"], 4096),
            old: server("old", &["127.0.0.1"], 2020),
            elsewhere: server("elsewhere", &["elsewhere.example"], 4096),
        };
        let holder = program.dial(&relay).token(&relay.token_with("other", &["/held"], &[])).mount("/held");
        Self {
            program,
            files: Nginx::files_at("/files/"),
            plain_hop: Nginx::before(relay.addr()),
            empty_front: Nginx::before(free_addr()),
            tls,
            proxy: Tinyproxy::start("BasicAuth user right"),
            _holder: holder.args(&["--port", "1"]).ready(),
            no_web: RawBackend::start(|mut stream| {
                use std::io::Write as _;
                drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"));
            }),
            closed: free_addr(),
            relay,
        }
    }

    fn names(&self) -> Names {
        let mut names = Names::from([
            (self.relay.addr().to_string(), "RELAY"),
            (self.relay.admin().to_string(), "ADMIN"),
            (self.closed.to_string(), "CLOSED"),
            (self.relay.directory().display().to_string(), "DIRECTORY"),
        ]);
        let fronts = [
            (&self.files, "WEB"),
            (&self.plain_hop, "FRONT"),
            (&self.empty_front, "FRONT"),
            (&self.tls.good.0, "FRONT"),
            (&self.tls.old.0, "FRONT"),
            (&self.tls.elsewhere.0, "FRONT"),
        ];
        names.extend(fronts.map(|(front, name)| (front.addr().to_string(), name)));
        names.insert(self.no_web.addr().to_string(), "SSH");
        names.insert(self.proxy.url().trim_start_matches("http://").to_owned(), "PROXY");
        names.insert("telephone-smol".into(), "telephone");
        names
    }

    /// A telephone that dials `url` for /m, with a good token.
    fn dial(&self, url: &str) -> Plan {
        self.dial_for(url, "/m", &self.relay.token(&["/m"]))
    }

    fn dial_for(&self, url: &str, mount: &str, token: &str) -> Plan {
        let port = self.no_web.addr().port().to_string();
        let args = ["--plugboard", url, "--mount", mount, "--port", &port];
        self.program.plan().args(args).env("TELEPHONE_TOKEN", token)
    }

    fn dial_relay(&self) -> Plan {
        self.dial(&self.relay.url())
    }

    fn with_token(&self, token: &str) -> (Plan, Names) {
        (self.dial_for(&self.relay.url(), "/m", token), self.names())
    }

    fn with(&self, plan: Plan) -> (Plan, Names) {
        (plan, self.names())
    }

    /// By TLS, trusting that authority.
    fn over_tls(&self, front: &Nginx, ca: &Path) -> (Plan, Names) {
        self.with(self.dial(&format!("wss://{}", front.addr())).arg("--ca").arg(ca))
    }

    fn missing(&self) -> PathBuf {
        self.relay.directory().join("missing")
    }
}

const fn case(name: &'static str, until: Until, plan: fn(&World) -> (Plan, Names)) -> Case {
    Case { name, until, plan, then: None }
}

pub(super) const ALL: &[Case] = &[
    case("the plugboard's port is closed", Lines(3), |world| {
        world.with(world.dial(&format!("ws://{}", world.closed)))
    }),
    case("the name of the plugboard is wrong", Lines(1), |world| {
        world.with(world.dial("ws://no-such-host.invalid"))
    }),
    case("the URL has no scheme", Exit, |world| world.with(world.dial("plugboard.example:4000"))),
    case("the URL has a path", Lines(1), |world| {
        world.with(world.dial(&format!("{}/tunnel", world.relay.url())))
    }),
    case("the URL is that of --admin", Lines(1), |world| {
        world.with(world.dial(&format!("ws://{}", world.relay.admin())))
    }),
    case("the URL is that of another web server", Lines(1), |world| {
        world.with(world.dial(&format!("ws://{}", world.files.addr())))
    }),
    case("the port is that of another protocol", Lines(1), |world| {
        world.with(world.dial(&format!("ws://{}", world.no_web.addr())))
    }),
    case("a proxy in front drops the upgrade", Lines(1), |world| {
        world.with(world.dial(&format!("ws://{}", world.plain_hop.addr())))
    }),
    case("a proxy in front has no plugboard behind it", Lines(1), |world| {
        world.with(world.dial(&format!("ws://{}", world.empty_front.addr())))
    }),
    case("wss:// to a port without TLS", Lines(1), |world| {
        let certs = &world.tls.good.1;
        world.with(world.dial(&format!("wss://{}", world.relay.addr())).arg("--ca").arg(&certs.ca))
    }),
    case("ws:// to a port with TLS", Lines(1), |world| {
        world.with(world.dial(&format!("ws://{}", world.tls.good.0.addr())))
    }),
    case("the authority of the certificate is unknown", Lines(1), |world| {
        world.over_tls(&world.tls.good.0, &world.tls.old.1.ca)
    }),
    case("the certificate has expired", Lines(1), |world| {
        world.over_tls(&world.tls.old.0, &world.tls.old.1.ca)
    }),
    case("the certificate is for another name", Lines(1), |world| {
        world.over_tls(&world.tls.elsewhere.0, &world.tls.elsewhere.1.ca)
    }),
    case("the machine has no certificate authorities", Exit, |world| {
        let plan = world.dial(&format!("wss://{}", world.tls.good.0.addr()));
        world.with(plan.env("SSL_CERT_FILE", world.missing()).env("SSL_CERT_DIR", world.missing()))
    }),
    case("the file of --ca is missing", Exit, |world| world.over_tls(&world.tls.good.0, &world.missing())),
    case("the proxy is down", Lines(1), |world| {
        world.with(world.dial("ws://plugboard.example").env("ALL_PROXY", format!("http://{}", world.closed)))
    }),
    case("the proxy wants a password", Lines(1), |world| {
        world.with(world.dial("ws://plugboard.example").env("ALL_PROXY", world.proxy.url()))
    }),
    case("the token is no JWT", Exit, |world| world.with_token("a.b.c")),
    case("the token is signed by another key", Exit, |world| {
        world.with_token(&jwt::sign(
            "another secret of at least 32 bytes!",
            &json!({"sub": "a", "mounts": ["/m"]}),
        ))
    }),
    case("the token is for another mount", Exit, |world| world.with_token(&world.relay.token(&["/other"]))),
    case("the token is missing", Exit, |world| {
        let args = ["--plugboard", &world.relay.url(), "--mount", "/m", "--port", "1"];
        world.with(world.program.plan().args(args))
    }),
    case("the file of the token is missing", Exit, |world| {
        let args = ["--plugboard", &world.relay.url(), "--mount", "/m", "--port", "1", "--token-file"];
        world.with(world.program.plan().args(args).arg(world.missing()))
    }),
    case("the token has expired", Exit, |world| {
        let claims = json!({"sub": "a", "mounts": ["/m"], "exp": 1_000_000_000});
        world.with_token(&jwt::sign(world.relay.secret(), &claims))
    }),
    case("the application is down", Lines(1), |world| {
        let args = ["--plugboard", &world.relay.url(), "--mount", "/m", "--backend"];
        let plan = world.program.plan().args(args).arg(format!("http://{}", world.closed));
        world.with(plan.env("TELEPHONE_TOKEN", world.relay.token(&["/m"])))
    }),
    Case {
        name: "two processes have the same instance",
        until: Lines(1),
        plan: |world| world.with(world.dial_relay().args(["--instance", "web-1"])),
        then: Some(|world| world.dial_relay().args(["--instance", "web-1"])),
    },
    case("the mount belongs to another subject", Lines(1), |world| {
        world.with(world.dial_for(&world.relay.url(), "/held", &world.relay.token(&["/held"])))
    }),
    case("the mount has an empty segment", Exit, |world| {
        world.with(world.dial_for(&world.relay.url(), "/a//b", &world.relay.token(&["/a"])))
    }),
    case("no mount is given", Exit, |world| {
        world.with(world.program.plan().args(["--plugboard", &world.relay.url(), "--port", "1"]))
    }),
    case("the port of the health page is taken", Exit, |world| {
        world.with(world.dial_relay().args(["--health", &world.relay.addr().to_string()]))
    }),
    case("the address of the health page is another machine's", Exit, |world| {
        world.with(world.dial_relay().args(["--health", "192.0.2.1:4100"]))
    }),
    case("the port of --admin is taken", Exit, |world| {
        let admin = world.relay.admin().to_string();
        let plan =
            Plan::new(bins::path("plugboard")).args(["serve", "--listen", "127.0.0.1:0", "--admin", &admin]);
        world.with(plan.arg("--secret-file").arg(world.relay.secret_file()))
    }),
    case("the port of the plugboard is below 1024", Exit, |world| {
        // Also where the tests run as root.
        let plan = Plan::new("setpriv").arg("--bounding-set=-net_bind_service").arg(bins::path("plugboard"));
        let plan =
            plan.args(["serve", "--listen", "127.0.0.1:81", "--admin", "127.0.0.1:0", "--secret-file"]);
        world.with(plan.arg(world.relay.secret_file()))
    }),
];

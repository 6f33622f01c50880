//! The servers in front of a relay, set up as they are shipped.

use std::fs;
use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use telephone_tests::certs::Certs;
use telephone_tests::client;
use telephone_tests::curl::{Answer, Curl};
use telephone_tests::haproxy::HaProxy;
use telephone_tests::line::both_programs;
use telephone_tests::nginx::{self, Nginx};
use telephone_tests::origin::{After, Exchange, Origin};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::PATIENCE;
use telephone_tests::wire::Head;
use telephone_tests::{bins, sizes};

/// How long an attacker waits for the front to take an interim answer for the final one.
const ATTACK_PAUSE: Duration = Duration::from_millis(150);
/// When the attacker's application answers at the latest, if nobody is served before that.
const ATTACK_MAX: Duration = Duration::from_millis(500);

/// Two tenants of one relay behind the shipped nginx.
struct Tenants {
    nginx: Nginx,
    certs: Certs,
    attacker: Origin,
    _victim: Origin,
    _sidecars: [Sidecar; 2],
    _relay: Relay,
}

impl Tenants {
    fn start(program: Program) -> Self {
        let relay = Relay::with(&["--trust", "127.0.0.1/32"]);
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let [attacker, victim] = [Origin::start(), Origin::start()];
        victim.on("/b/victim", |exchange| exchange.answer(200, "for the victim"));
        let dial = |subject: &str, mount: &str, origin: &Origin| {
            let token = relay.token_with(subject, &[mount], &[]);
            program.dial(&relay).token(&token).mount(mount).backend(&origin.url()).ready()
        };
        let sidecars = [dial("a", "/a", &attacker), dial("b", "/b", &victim)];
        Self { nginx, certs, attacker, _victim: victim, _sidecars: sidecars, _relay: relay }
    }

    fn curl(&self, target: &str) -> Curl {
        let url = format!("https://localhost:{}{target}", self.nginx.addr().port());
        Curl::new(&url).arg("--cacert").arg(&self.certs.ca)
    }

    /// What the attacker and the victim get when the attacker's application answers with an interim `status` at once, and
    /// with a redirect once the victim's request is on its way.
    fn attack(&self, method: &str, status: u16, ends: &Ends) -> (Answer, Answer) {
        let target = format!("/a/{status}");
        let (told, answered) = mpsc::channel();
        thread::scope(|scope| {
            // What nginx takes for the final answer is an interim one for curl, which waits on.
            let curl = self.curl(&target).args(["--max-time", "5"]);
            let curl = if method == "HEAD" { curl.arg("-I") } else { curl };
            let attacker = scope.spawn(move || {
                let answer = curl.run();
                // Whoever waited for it may have given up.
                let _ = told.send(());
                answer
            });
            ends.begun.recv_timeout(PATIENCE).expect("the attacker's application was asked");
            let _ = answered.recv_timeout(ATTACK_PAUSE);
            let victim = self.curl("/b/victim").run();
            // It may have answered by itself.
            let _ = ends.release.send(());
            (attacker.join().expect("an answer"), victim)
        })
    }
}

/// The test's ends of the channels to the attacker's application.
struct Ends {
    begun: Receiver<()>,
    release: Sender<()>,
}

/// Has the attacker's application answer with an interim `status`, and later with a redirect.
fn set_trap(origin: &Origin, status: u16) -> Ends {
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let ends = Mutex::new((begin, released));
    origin.on(&format!("/a/{status}"), move |exchange: &mut Exchange| {
        exchange.send(format!("HTTP/1.1 {status} Early\r\nLink: </a.css>; rel=preload\r\n\r\n"))?;
        let ends = ends.lock().expect("one request at a time");
        ends.0.send(()).map_err(io::Error::other)?;
        let _ = ends.1.recv_timeout(ATTACK_MAX);
        exchange.send(
            "HTTP/1.1 302 Found\r\nLocation: /evil\r\nSet-Cookie: session=evil\r\nContent-Length: 0\r\n\r\n",
        )?;
        Ok(After::KeepAlive)
    });
    Ends { begun, release }
}

#[test]
fn behind_the_shipped_nginx_no_interim_answer_opens_one_tenants_answers_to_another() {
    both_programs(|program| {
        let tenants = Tenants::start(program);
        for (method, status) in
            [("HEAD", 103), ("HEAD", 102), ("HEAD", 100), ("GET", 103), ("GET", 102), ("GET", 100)]
        {
            let is_reported = (method, status) == ("HEAD", 103);
            let tries = if is_reported { 20 } else { sizes::pick(3, 20) };
            for _ in 0..tries {
                let ends = set_trap(&tenants.attacker, status);
                let (attacker, victim) = tenants.attack(method, status, &ends);
                assert_eq!((victim.status(), &*victim.text()), (200, "for the victim"), "{method} {status}");
                assert!(!victim.heads.iter().any(|head| head.has("set-cookie")), "{method} {status}");
                let statuses: Vec<u16> = attacker.heads.iter().map(|head| head.status()).collect();
                assert_eq!(statuses, [302], "{method} {status}");
            }
        }
    });
}

/// What a client may pretend to the shipped nginx.
const FORGED: &[&str] = &[
    "X-Real-IP",
    "X-Real-Port",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
    "X-Forwarded-Ssl",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Client-Cert",
    "X_Forwarded_User",
    "X_Forwarded_For",
    "Forwarded",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "X-Cluster-Client-IP",
    "Fastly-Client-IP",
    "X-Original-Forwarded-For",
    "X-Original-URL",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-Script-Name",
    "X-Host",
    "Front-End-Https",
    "X-Url-Scheme",
    "X-Scheme",
    "X-ProxyUser-Ip",
    "X-Envoy-External-Address",
    "X-Appengine-User-Ip",
    "Proxy",
    "Remote-User",
    "X-Remote-User",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
];

/// Names that begin like reserved ones and are an application's own.
const HONEST: &[&str] =
    &["X-Realtime-Channel", "Realm", "Remote-Control", "X-Remotely", "Forwarding-Hint", "Realtime"];

#[test]
fn what_a_client_forges_ends_at_the_shipped_nginx_and_its_relay() {
    both_programs(|program| {
        // An operator trusts fields that nginx does not write: they are nginx's to remove.
        let options =
            ["--trust", "127.0.0.1/32", "--trust-header", "X-Forwarded-User,Remote-User,X-Client-IP"];
        let (relay, origin) = (Relay::with(&options), Origin::start());
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let url = format!("https://localhost:{}/m/echo", nginx.addr().port());
        let forged = FORGED.iter().flat_map(|name| ["-H".to_owned(), format!("{name}: 6.6.6.6")]);
        let answer = Curl::new(&url).arg("--cacert").arg(&certs.ca).args(forged).run();
        assert_eq!(answer.status(), 200);
        let head = origin.last_head();
        assert_untouched_by(&head, "6.6.6.6");
        assert_eq!(head.value("x-real-ip").as_deref(), Some("127.0.0.1"));
        assert_eq!(head.value("x-forwarded-proto").as_deref(), Some("https"));
    });
}

#[test]
fn what_a_client_forges_ends_at_the_shipped_haproxy_and_its_relay() {
    both_programs(|program| {
        let options =
            ["--trust", "127.0.0.1/32", "--trust-header", "X-Forwarded-User,Remote-User,X-Client-IP"];
        let (relay, origin) = (Relay::with(&options), Origin::start());
        let haproxy = HaProxy::before(&[&relay]);
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let request =
            FORGED.iter().fold(Request::get("/m/echo"), |request, name| request.field(name, "6.6.6.6"));
        let request = HONEST.iter().fold(request, |request, name| request.field(name, "honest"));
        assert_eq!(client::ask(haproxy.addr(), &request).status(), 200);
        let head = origin.last_head();
        assert_untouched_by(&head, "6.6.6.6");
        for name in HONEST {
            assert_eq!(head.value(name).as_deref(), Some("honest"), "{name}");
        }
        assert_eq!(head.value("x-real-ip").as_deref(), Some("127.0.0.1"));
        assert_eq!(head.value("x-forwarded-host").as_deref(), Some("app.example"));
    });
}

#[test]
fn behind_the_shipped_nginx_forwarded_and_the_older_fields_name_the_clients_scheme_and_host() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(&["--trust", "127.0.0.1/32"]), Origin::start());
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let host = format!("localhost:{}", nginx.addr().port());
        let curl = Curl::new(&format!("https://{host}/m/echo")).arg("--cacert").arg(&certs.ca);
        assert_eq!(curl.run().status(), 200);
        let head = origin.last_head();
        assert_eq!(head.values("x-forwarded-proto"), [b"https"]);
        assert_eq!(head.value("x-forwarded-host").as_deref(), Some(&*host));
        let element = format!("for=127.0.0.1;host=\"{host}\";proto=https");
        // docker-registry takes the first, tusd the first `proto`, Rack the last.
        assert_eq!(head.value("forwarded"), Some(format!("{element}, {element}")));
    });
}

/// No field has this value, nor a part of it.
fn assert_untouched_by(head: &Head, forged: &str) {
    let text = String::from_utf8_lossy(&head.octets).into_owned();
    assert!(!text.contains(forged), "{text}");
}

/// The directives of a configuration in order, without comments and layout.
fn directives(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let code = code.join(" ").replace(['{', '}'], ";");
    let directives = code.split(';').map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    directives.filter(|directive| !directive.is_empty()).collect()
}

#[test]
fn the_readme_shows_the_nginx_that_is_shipped() {
    let readme = fs::read_to_string(bins::workspace().join("README.md")).expect("a README");
    let (_, behind) = readme.split_once("```nginx\n").expect("a configuration of nginx");
    let (snippet, _) = behind.split_once("```").expect("its end");
    let shipped = directives(&nginx::shipped());
    assert!(shipped.len() > 40, "{shipped:?}");
    assert_eq!(directives(snippet), shipped);
}

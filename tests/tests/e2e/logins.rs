//! Logins that belong to a connection: NTLM, with a real application and curl.

use std::thread;

use telephone_tests::certs::Certs;
use telephone_tests::curl::{Answer, Curl};
use telephone_tests::nginx::Nginx;
use telephone_tests::parts::Server;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// Logs in as `user`.
fn as_user(curl: Curl, user: &str) -> Curl {
    curl.args(["--ntlm", "--user", &format!("CORP\\{user}:secret")])
}

/// The URL so many times: curl asks all on one connection.
fn times(curl: Curl, url: &str, count: usize) -> Curl {
    (1..count).fold(curl, |curl, _| curl.args(["-o", "/dev/null", url]))
}

/// What the application says.
fn said(answer: &Answer) -> (u16, String) {
    (answer.status(), answer.text())
}

#[test]
fn a_login_by_ntlm_works_and_is_its_own_clients_alone() {
    for program in Program::BOTH {
        let (relay, application) = (Relay::start(), Server::ntlm());
        let _sidecar =
            program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&application.url()).ready();
        let url = format!("http://{}/m/page", relay.addr());
        let open = format!("http://{}/m/open", relay.addr());
        let alice = as_user(times(Curl::new(&url), &url, 3), "alice").run();
        assert_eq!(said(&alice), (200, "you are alice".into()), "{program:?}: {}", alice.stderr);
        // One login for three requests: two answers of 401, and then none.
        let statuses: Vec<_> = alice.heads.iter().map(|head| head.status()).collect();
        assert_eq!(statuses, [401, 200, 200, 200], "{program:?}");

        let stranger = Curl::new(&url).run();
        assert_eq!(stranger.status(), 401, "{program:?}: {}", stranger.text());
        for _ in 0..3 {
            let stranger = Curl::new(&open).run();
            assert_eq!(said(&stranger), (200, "you are nobody".into()), "{program:?}");
        }
    }
}

#[test]
fn of_twelve_users_at_once_each_is_who_logged_in() {
    for program in Program::BOTH {
        let (relay, application) = (Relay::start(), Server::ntlm());
        let _sidecar =
            program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&application.url()).ready();
        let url = format!("http://{}/m/page", relay.addr());
        let users: Vec<_> = (0..12).map(|n| format!("user{n}")).collect();
        thread::scope(|scope| {
            for user in &users {
                let url = &url;
                scope.spawn(move || {
                    for _ in 0..3 {
                        let answer = as_user(times(Curl::new(url), url, 3), user).run();
                        assert_eq!(said(&answer), (200, format!("you are {user}")), "{program:?}");
                    }
                });
            }
        });
    }
}

#[test]
fn a_login_stays_with_the_replica_where_it_began() {
    for program in Program::BOTH {
        let (relay, applications) = (Relay::start(), [(); 2].map(|()| Server::ntlm()));
        let dial = |instance: &str, application: &Server| {
            program
                .dial(&relay)
                .token(&relay.token(&["/m"]))
                .mount("/m")
                .args(&["--instance", instance])
                .backend(&application.url())
                .ready()
        };
        let _sidecars = [dial("one", &applications[0]), dial("two", &applications[1])];
        let url = format!("http://{}/m/page", relay.addr());
        for _ in 0..4 {
            let answer = as_user(times(Curl::new(&url), &url, 6), "alice").run();
            assert_eq!(said(&answer), (200, "you are alice".into()), "{program:?}");
            let statuses: Vec<_> = answer.heads.iter().map(|head| head.status()).collect();
            assert_eq!(statuses, [401, 200, 200, 200, 200, 200, 200], "{program:?}");
        }
    }
}

#[test]
fn behind_the_shipped_nginx_no_visitor_is_another() {
    for program in Program::BOTH {
        let relay = Relay::with(&[NO_GRACE, &["--trust", "127.0.0.1/32"]].concat());
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let application = Server::ntlm();
        let sidecar =
            program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&application.url()).ready();
        let base = format!("https://localhost:{}/m", nginx.addr().port());
        let curl = |target: &str| Curl::new(&format!("{base}{target}")).arg("--cacert").arg(&certs.ca);
        for user in ["alice", "bob", "alice"] {
            // The login cannot succeed there: its second half arrives on another connection.
            let answer = as_user(curl("/page"), user).run();
            assert!(!answer.text().contains("you are"), "{program:?}: {}", answer.text());
            for _ in 0..3 {
                let stranger = curl("/open").run();
                assert_eq!(said(&stranger), (200, "you are nobody".into()), "{program:?}");
            }
        }
        wait::until_true("the sidecar says so", PATIENCE, || sidecar.process().said().contains("NTLM"));
    }
}

//! Connections: reused where that is safe, on both sides, and never confused.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use telephone_tests::client::Client;
use telephone_tests::line::{Line, both, both_programs, everywhere};
use telephone_tests::origin::After;
use telephone_tests::request::Request;
use telephone_tests::wait::{self, PATIENCE};

#[test]
fn a_client_connection_serves_many_requests() {
    everywhere(|line| {
        let mut client = line.connect();
        for n in 0..100 {
            let answer = client.ask(&Request::get(&format!("/m/bytes?n={n}")));
            assert_eq!((answer.status(), answer.body.len()), (200, n));
        }
    });
}

#[test]
fn a_body_that_nobody_wants_does_not_keep_its_connection() {
    both(|line| {
        let before = line.relay().process().descriptors();
        // They stay open at this end: only the relay can end them.
        let clients: Vec<Client> = (0..10)
            .map(|_| {
                let client = line.connect();
                let head = Request::new("POST", "/unknown").field("Content-Length", "50000000").head();
                client.send(head);
                client.write_at_most(PATIENCE);
                while client.try_send([b'x'; 65536]).is_ok() {}
                client
            })
            .collect();
        wait::until_true("the relay has closed them", PATIENCE, || {
            line.relay().process().descriptors() <= before
        });
        drop(clients);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    everywhere(|line| {
        let mut client = line.connect();
        let requests: Vec<u8> = (0..20)
            .flat_map(|n| match n % 2 {
                0 => Request::get(&format!("/m/bytes?n={n}")).to_vec(),
                _ => Request::post("/m/mirror", vec![b'p'; n]).to_vec(),
            })
            .collect();
        client.send(requests);
        for n in 0..20 {
            assert_eq!(client.answer("GET").body.len(), n);
        }
    });
}

#[test]
fn a_bad_request_behind_a_good_one_is_refused_after_its_answer() {
    both(|line| {
        let mut client = line.connect();
        let bad = "GET /m/bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
        let never = Request::get("/m/never").to_vec();
        client.send([&Request::get("/m/bytes?n=3").to_vec(), bad.as_bytes(), &never].concat());
        assert_eq!(client.answer("GET").body.len(), 3);
        assert_eq!(client.answer("GET").status(), 400);
        client.wait_at_most(PATIENCE);
        assert!(client.try_answer("GET").is_err(), "something was answered after a framing error");
        assert_eq!(line.origin.counts().requests, 1);
    });
}

#[test]
fn a_client_that_asks_for_the_end_gets_it() {
    everywhere(|line| {
        let mut client = line.connect();
        let answer = client.ask(&Request::get("/m/bytes?n=3").close());
        assert_eq!(answer.body.len(), 3);
        assert_eq!(client.rest(), (Vec::new(), true));
        let mut old = line.connect();
        old.send("GET /m/bytes?n=3 HTTP/1.0\r\nHost: app.example\r\nConnection: close\r\n\r\n");
        assert_eq!(old.answer("GET").body.len(), 3);
        assert_eq!(old.rest(), (Vec::new(), true));
    });
}

#[test]
fn backend_connections_are_pooled_and_reused() {
    both(|line| {
        for _ in 0..50 {
            assert_eq!(line.get("/m/bytes?n=10").status(), 200);
        }
        let counts = line.origin.counts();
        assert_eq!(counts.requests, 50);
        assert!(counts.accepted <= 3, "{} connections for requests one after the other", counts.accepted);
    });
}

#[test]
fn a_backend_connection_with_a_surplus_is_not_used_again() {
    both(|line| {
        let raw =
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
        line.origin.on_raw("/m/surplus", raw, After::KeepAlive);
        let mut client = line.connect();
        for _ in 0..5 {
            assert_eq!(client.ask(&Request::get("/m/surplus")).text(), "ok");
            assert_eq!(client.ask(&Request::get("/m/bytes?n=3")).body.len(), 3);
        }
    });
}

#[test]
fn a_backend_connection_that_was_closed_while_nobody_used_it_gets_no_request() {
    both(|line| {
        line.origin.on("/m/last", |exchange| {
            exchange.answer(200, "bye")?;
            Ok(After::Close)
        });
        // It closes its connection too, or the next round might find that one kept beside its own.
        line.origin.on("/m/said", |exchange| {
            let (body, _) = exchange.upload()?;
            exchange.answer(200, body)?;
            Ok(After::Close)
        });
        for round in 0..10 {
            assert_eq!(line.get("/m/last").text(), "bye");
            line.origin.wait_idle(PATIENCE);
            // It may not be repeated, and is answered all the same.
            let said = format!("round {round}");
            assert_eq!(line.ask(&Request::post("/m/said", said.clone())).text(), said);
        }
    });
}

#[test]
fn what_a_backend_says_unasked_is_no_answer_to_the_next_request() {
    both(|line| {
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel::<()>();
        let ends = Mutex::new((released, tell));
        line.origin.on("/m/talkative", move |exchange| {
            exchange.answer(200, "asked")?;
            let (released, tell) = &*ends.lock().expect("one request");
            released.recv_timeout(PATIENCE).map_err(io::Error::other)?;
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")?;
            tell.send(()).map_err(io::Error::other)?;
            exchange.wait_closed()
        });
        assert_eq!(line.get("/m/talkative").text(), "asked");
        release.send(()).expect("the origin waits");
        told.recv_timeout(PATIENCE).expect("the origin has said it");
        assert_eq!(line.ask(&Request::post("/m/mirror", "mine")).text(), "mine");
    });
}

#[test]
fn a_get_on_a_connection_that_the_backend_had_just_closed_is_retried_once() {
    both(|line| {
        let calls = AtomicUsize::new(0);
        line.origin.on("/m/racy", move |exchange| match calls.fetch_add(1, Ordering::SeqCst) {
            // The first answer leaves the connection open; the second request on it meets a closed door.
            0 => exchange.answer(200, "first"),
            1 => Ok(After::Close),
            _ => exchange.answer(200, "again"),
        });
        assert_eq!(line.get("/m/racy").text(), "first");
        assert_eq!(line.get("/m/racy").text(), "again");
        let seen = line.origin.seen();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].connection, seen[1].connection, "the connection was not reused");
        assert_ne!(seen[1].connection, seen[2].connection);
    });
}

#[test]
fn a_get_is_not_retried_for_ever() {
    both(|line| {
        let calls = AtomicUsize::new(0);
        line.origin.on("/m/dead", move |exchange| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => exchange.answer(200, "first"),
            _ => Ok(After::Close),
        });
        assert_eq!(line.get("/m/dead").text(), "first");
        assert_eq!(line.get("/m/dead").status(), 502);
        assert!(line.origin.counts().requests <= 3, "{:?}", line.origin.counts());
    });
}

#[test]
fn a_post_is_executed_at_most_once() {
    both(|line| {
        let calls = AtomicUsize::new(0);
        line.origin.on("/m/once", move |exchange| {
            exchange.upload()?;
            match calls.fetch_add(1, Ordering::SeqCst) {
                0 => exchange.answer(200, "first"),
                _ => Ok(After::Close),
            }
        });
        assert_eq!(line.ask(&Request::post("/m/once", "1")).text(), "first");
        assert_eq!(line.ask(&Request::post("/m/once", "2")).status(), 502);
        assert_eq!(line.origin.counts().requests, 2);
    });
}

#[test]
fn one_slow_answer_holds_up_no_other_client() {
    both(|line| {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        line.origin.on("/m/slow", move |exchange| {
            released.lock().expect("one request").recv_timeout(PATIENCE).map_err(io::Error::other)?;
            exchange.answer(200, "slow")
        });
        let mut slow = line.connect();
        slow.send(Request::get("/m/slow").to_vec());
        for _ in 0..20 {
            assert_eq!(line.get("/m/bytes?n=3").status(), 200);
        }
        release.send(()).expect("the origin waits");
        assert_eq!(slow.answer("GET").text(), "slow");
    });
}

#[test]
fn a_client_that_ends_its_direction_and_gets_no_answer_in_five_seconds_has_left() {
    both(|line| {
        line.origin.on("/m/silent", |exchange| exchange.wait_closed());
        let mut client = line.connect();
        client.send(Request::get("/m/silent").to_vec());
        telephone_tests::wait::until_true("the request reaches the origin", PATIENCE, || {
            line.origin.counts().requests == 1
        });
        client.finish_sending();
        let taken = line.origin.wait_idle(Duration::from_secs(6));
        assert!(taken > Duration::from_secs(4), "{taken:?}");
        assert!(client.try_answer("GET").is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock));
    });
}

#[test]
fn a_client_that_ends_its_direction_behind_its_request_gets_its_answer() {
    both(|line| {
        let (tell, told) = mpsc::channel::<()>();
        let told = Mutex::new(told);
        line.origin.on("/m/slow", move |exchange| {
            told.lock().expect("one at a time").recv_timeout(PATIENCE).map_err(io::Error::other)?;
            exchange.answer(200, vec![b'x'; 1_000_000])
        });
        for request in [Request::get("/m/slow"), Request::post("/m/slow", "body")] {
            let before = line.origin.counts().requests;
            let mut client = line.connect();
            client.send(request.to_vec());
            client.finish_sending();
            telephone_tests::wait::until_true("the request reaches the origin", PATIENCE, || {
                line.origin.counts().requests > before
            });
            tell.send(()).expect("the origin waits");
            let answer = client.answer("GET");
            assert_eq!((answer.status(), answer.body.len()), (200, 1_000_000));
            assert_eq!(client.rest(), (Vec::new(), true));
        }
    });
}

#[test]
fn a_client_that_resets_its_half_closed_connection_has_left_at_once() {
    both(|line| {
        line.origin.on("/m/silent", |exchange| exchange.wait_closed());
        let client = line.connect();
        client.send(Request::get("/m/silent").to_vec());
        client.finish_sending();
        telephone_tests::wait::until_true("the request reaches the origin", PATIENCE, || {
            line.origin.counts().requests == 1
        });
        client.reset();
        line.origin.wait_idle(Duration::from_secs(2));
    });
}

#[test]
fn a_request_waits_for_a_telephone_that_works_longer_than_for_one_that_is_gone() {
    both_programs(|program| {
        let line = Line::with(program, &["--limit", "park-time=1s"], &["--streams", "4"]);
        line.origin.on("/m/slow", |exchange| {
            // The time that an application takes is what is tested.
            std::thread::sleep(Duration::from_millis(300));
            exchange.answer(200, "slow")
        });
        std::thread::scope(|scope| {
            let visits: Vec<_> = (0..40).map(|_| scope.spawn(|| line.get("/m/slow").status())).collect();
            let statuses: Vec<u16> =
                visits.into_iter().map(|visit| visit.join().expect("a visitor")).collect();
            assert_eq!(statuses, [200; 40], "4 at a time take 3 s");
        });
    });
}

//! The service leg against a relay's end of the same session, in memory.

mod line;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use telephone_core::limits::{SEND_BUFFER_BYTES, SessionLimits};
use telephone_core::session;

use super::*;
use line::{Frames, Heard, Line, hear, heard, next, next_piece, read, request, send, with_field};

#[test]
fn a_handler_sees_the_request_as_it_was_sent() {
    let mut head = with_field(request("PATCH", "/m/a%20b?c=d"), "X-Mixed", "\u{e9}");
    head.wants_trailers = true;
    head.length = Some(0);
    let heard = heard(head, async |request: Request<Incoming>| {
        assert_eq!(
            (request.method().as_str(), request.uri().to_string().as_str()),
            ("PATCH", "/m/a%20b?c=d")
        );
        assert_eq!(request.headers()["x-mixed"].as_bytes(), "\u{e9}".as_bytes());
        assert_eq!(request.headers()["content-length"], "0");
        assert_eq!(request.headers()["te"], "trailers");
        assert!(request.body().is_end_stream());
        Response::builder()
            .status(201)
            .header("set-cookie", "a")
            .header("set-cookie", "b")
            .body("ok".to_owned())
            .unwrap()
    });
    assert_eq!((heard.head().status, heard.head().reason.as_ref()), (201, &b"Created"[..]));
    assert_eq!(heard.head().headers.all("set-cookie").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(heard.head().length, Some(2));
    assert_eq!(heard.octets, b"ok");
    assert_eq!(heard.ending, Ok(Headers::new()));
}

#[test]
fn bodies_and_trailers_cross_both_ways() {
    let echo = async |request: Request<Incoming>| {
        let (octets, trailers) = read(request.into_body()).await.unwrap();
        let frames = Frames::default().then(Ok(Frame::data(Bytes::from(octets))));
        Response::new(frames.then(Ok(Frame::trailers(trailers))))
    };
    Line::serve(ServiceFn(echo), request("POST", "/m"), false, async |stream| {
        send(&stream, b"first ").await;
        send(&stream, b"second").await;
        let mut trailers = Headers::new();
        trailers.push("x-sum", "12");
        stream.end(trailers.clone());
        let heard = hear(&stream).await;
        assert_eq!((heard.octets.as_slice(), heard.ending), (&b"first second"[..], Ok(trailers)));
        assert_eq!(heard.heads.last().unwrap().length, None);
    });
}

#[test]
fn trailers_behind_an_empty_body_are_not_lost() {
    let handler = async |request: Request<Incoming>| {
        let (octets, trailers) = read(request.into_body()).await.unwrap();
        assert!(octets.is_empty());
        Response::new(trailers["x-sum"].to_str().unwrap().to_owned())
    };
    let line_client = async |stream: StreamHandle| assert_eq!(hear(&stream).await.octets, b"0");
    Line::serve(ServiceFn(handler), request("POST", "/m"), false, |stream| {
        // They are there before the handler begins.
        let mut trailers = Headers::new();
        trailers.push("x-sum", "0");
        stream.end(trailers);
        line_client(stream)
    });
}

#[test]
fn a_client_that_reads_nothing_holds_the_handler_back() {
    const PIECE: [u8; 16 * 1024] = [7; 16 * 1024];
    /// Endless, and counts what was asked of it.
    struct Endless(Arc<AtomicUsize>);
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.fetch_add(PIECE.len(), Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&PIECE)))))
        }
    }
    let asked = Arc::<AtomicUsize>::default();
    let count = asked.clone();
    let handler = move |_| std::future::ready(Response::new(Endless(count.clone())));
    let (line, asked_of) = (Line::new(), || asked.load(Ordering::Relaxed));
    let stream = line.open(request("GET", "/m"), true);
    let (head, served) = line.accept();
    let leg = ServiceLeg::new(Arc::default(), ServiceFn(handler), Rewrite::default());
    let mount = Bytes::from_static(b"/m");
    let mut serving = pin!(leg.serve(&mount, head, served));
    let mut settle = || {
        let mut before = usize::MAX;
        while before != asked_of() {
            before = asked_of();
            line.deliver();
            assert!(smol::block_on(future::poll_once(&mut serving)).is_none());
        }
        before
    };
    let held_at = settle();
    let limits = SessionLimits::default();
    let bound = limits.stream_window as usize + SEND_BUFFER_BYTES + PIECE.len();
    assert!(held_at <= bound, "{held_at} octets were asked for, {bound} are allowed");
    // Reading lets it go on.
    assert_eq!(smol::block_on(next(&stream)), session::Incoming::Head);
    stream.take_head();
    while smol::block_on(future::poll_once(next(&stream))).is_some() {}
    assert!(settle() > held_at);
}

/// Octets whose copy takes so long that another stream begins to send meanwhile.
struct Overtaken<'a>(Bytes, &'a StreamHandle);

impl Buf for Overtaken<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.1.write(&mut Bytes::from_static(b"meanwhile")).unwrap();
        self.0.copy_to_bytes(count)
    }
}

#[test]
fn what_another_stream_sends_meanwhile_costs_a_body_no_octets() {
    const COUNT: usize = 3 * SEND_BUFFER_BYTES;
    let line = Line::new();
    let [one, other] = [(); 2].map(|()| line.open(request("POST", "/m"), false));
    let (_, at_peer) = line.accept();
    let _other_at_peer = line.accept();
    while line.deliver() {}
    assert!(smol::block_on(poll_fn(|cx| one.poll_capacity(cx))).unwrap() > COUNT, "it is alone");
    let mut sending = pin!(send_data(Overtaken(vec![7; COUNT].into(), &other), &one));
    let (mut heard, mut is_done) = (0, false);
    while heard < COUNT {
        is_done = is_done || smol::block_on(future::poll_once(&mut sending)).is_some();
        assert!(line.deliver(), "{heard} octets came, and no more do");
        while let Some(incoming) = smol::block_on(future::poll_once(next(&at_peer))) {
            let session::Incoming::Octets(octets) = incoming else { panic!("{incoming:?}") };
            heard += octets.len();
        }
    }
    assert_eq!(heard, COUNT);
}

#[test]
fn an_upload_that_is_not_read_holds_the_client_back() {
    let line = Line::new();
    let stream = line.open(request("POST", "/m"), false);
    let (head, served) = line.accept();
    let mut body = Incoming::new(Arc::new(served), &head);
    let mut octets = Bytes::from(vec![0; 64 * 1024]);
    let (mut sent, mut is_held) = (0, false);
    while !is_held && sent < 16 << 20 {
        sent += stream.write(&mut octets.clone()).unwrap();
        line.deliver();
        is_held = smol::block_on(future::poll_once(poll_fn(|cx| stream.poll_capacity(cx)))).is_none();
    }
    assert!(is_held, "{sent} octets were taken and nobody read");
    while smol::block_on(future::poll_once(next_piece(&mut body))).is_some() {}
    while line.deliver() {}
    assert!(stream.write(&mut octets).unwrap() > 0);
}

#[test]
fn an_upload_that_dies_never_looks_complete() {
    let handler = async |request: Request<Incoming>| {
        let lost = read(request.into_body()).await.unwrap_err();
        Response::new(lost.to_string())
    };
    Line::serve(ServiceFn(handler), request("POST", "/m"), false, async |stream| {
        send(&stream, b"half of").await;
        stream.reset(ResetCode::Truncated, Touched::Unknown);
        let heard = hear(&stream).await;
        assert!(String::from_utf8(heard.octets).unwrap().contains("lost before its end"));
    });
}

#[test]
fn a_body_that_fails_never_looks_complete() {
    let heard = heard(request("GET", "/m"), async |_| {
        Response::new(Frames::of(&["begin"]).then(Err("the disk is gone")))
    });
    assert_eq!(heard.ending.unwrap_err().code, ResetCode::Truncated);
}

#[test]
fn a_body_of_another_length_than_declared_never_looks_complete() {
    for pieces in [&["four"][..], &["four", "and more"], &[]] {
        let heard = heard(request("GET", "/m"), async move |_| {
            Response::builder().header("content-length", "9").body(Frames::of(pieces)).unwrap()
        });
        assert_eq!(heard.ending.unwrap_err().code, ResetCode::Truncated, "{pieces:?}");
    }
}

#[test]
fn a_handler_that_panics_ends_its_own_exchange() {
    let bad_path = String::from("/m/bad");
    let handler = async move |request: Request<Incoming>| {
        assert_ne!(request.uri().path(), bad_path, "a panic that the test asked for");
        Response::new(String::new())
    };
    let failed = heard(request("GET", "/m/bad"), handler.clone());
    assert!(failed.heads.is_empty());
    let reset = Reset { code: ResetCode::BackendFailed, touched: Touched::Yes };
    assert_eq!(failed.ending.unwrap_err(), reset);
    assert_eq!(heard(request("GET", "/m"), handler).head().status, 200);
}

/// A service that is told how to behave.
#[derive(Clone, Default)]
struct Scripted {
    is_broken: bool,
    is_failing: bool,
    polls_until_ready: usize,
}

impl Service<Request<Incoming>> for Scripted {
    type Response = Response<String>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Response<String>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.polls_until_ready > 0 {
            self.polls_until_ready -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(if self.is_broken { Err("closed".into()) } else { Ok(()) })
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        assert_eq!(self.polls_until_ready, 0, "called before it was ready");
        let result = if self.is_failing { Err("failed".into()) } else { Ok(Response::new(String::new())) };
        std::future::ready(result)
    }
}

fn scripted(service: Scripted) -> Heard {
    let mut result = None;
    Line::serve(service, request("GET", "/m"), true, async |stream| result = Some(hear(&stream).await));
    result.unwrap()
}

#[test]
fn a_service_is_called_only_when_it_is_ready() {
    assert_eq!(scripted(Scripted { polls_until_ready: 3, ..Scripted::default() }).head().status, 200);
}

#[test]
fn a_service_that_fails_is_no_answer_and_says_whether_it_was_called() {
    let failed = scripted(Scripted { is_failing: true, ..Scripted::default() }).ending.unwrap_err();
    assert_eq!(failed, Reset { code: ResetCode::BackendFailed, touched: Touched::Yes });
    let broken = scripted(Scripted { is_broken: true, ..Scripted::default() }).ending.unwrap_err();
    assert_eq!(broken, Reset { code: ResetCode::BackendFailed, touched: Touched::No });
}

#[test]
fn a_handler_is_dropped_where_it_waits_when_the_client_leaves() {
    /// Tells of its drop.
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_dropped = Arc::<AtomicBool>::default();
    let shared = is_dropped.clone();
    let handler = move |_| {
        let told = Told(shared.clone());
        async move {
            let _told = told;
            std::future::pending::<Response<String>>().await
        }
    };
    // The exchange ends only if the leg gives the handler up.
    Line::serve(ServiceFn(handler), request("GET", "/m"), true, async |stream| drop(stream));
    assert!(is_dropped.load(Ordering::Relaxed));
}

#[test]
fn continue_is_said_when_the_body_is_first_polled_and_only_then() {
    let handler = async |request: Request<Incoming>| {
        let (octets, _) = read(request.into_body()).await.unwrap();
        Response::new(String::from_utf8(octets).unwrap())
    };
    let head = with_field(request("PUT", "/m"), "Expect", "100-Continue");
    Line::serve(ServiceFn(handler), head.clone(), false, async |stream| {
        assert_eq!(next(&stream).await, session::Incoming::Head);
        assert_eq!(stream.take_head().unwrap().status, 100);
        send(&stream, b"so be it").await;
        stream.end(Headers::new());
        assert_eq!(hear(&stream).await.octets, b"so be it");
    });
    // A handler that refuses by the head alone invites nothing, and the upload is stopped.
    let refusing = async |_: Request<Incoming>| Response::builder().status(413).body(String::new()).unwrap();
    Line::serve(ServiceFn(refusing), head, false, async |stream| {
        let statuses: Vec<_> = hear(&stream).await.heads.iter().map(|head| head.status).collect();
        assert_eq!(statuses, [413]);
        assert_eq!(poll_fn(|cx| stream.poll_stopped(cx)).await.code, ResetCode::Cancelled);
    });
}

#[test]
fn a_body_that_came_unasked_needs_no_invitation() {
    let handler = async |request: Request<Incoming>| {
        read(request.into_body()).await.unwrap();
        Response::new(String::new())
    };
    let head = with_field(request("PUT", "/m"), "Expect", "100-continue");
    let client = async |stream: StreamHandle| assert_eq!(hear(&stream).await.heads.len(), 1);
    Line::serve(ServiceFn(handler), head, false, |stream| {
        stream.write(&mut Bytes::from_static(b"here it is")).unwrap();
        stream.end(Headers::new());
        client(stream)
    });
}

#[test]
fn a_target_that_http_cannot_hold_reaches_the_handler_in_canonical_form() {
    let heard = heard(request("GET", "/m/<"), async |request| Response::new(request.uri().path().to_owned()));
    assert_eq!((heard.head().status, heard.octets.as_slice()), (200, &b"/m/%3C"[..]));
}

#[test]
fn a_request_for_an_upgrade_is_served_without_it() {
    let mut head = request("GET", "/m/socket");
    head.upgrade = Some(Bytes::from_static(b"websocket"));
    let handler = async |request: Request<Incoming>| {
        assert_eq!(request.body().size_hint().exact(), Some(0));
        assert!(!request.headers().contains_key("upgrade"));
        Response::new("no socket here".to_owned())
    };
    let is_heard = Rc::new(Cell::new(false));
    let heard = is_heard.clone();
    Line::serve(ServiceFn(handler), head, false, async move |stream| {
        assert_eq!(hear(&stream).await.octets, b"no socket here");
        heard.set(true);
    });
    assert!(is_heard.get());
}

#[test]
fn a_length_is_told_while_the_body_shrinks() {
    let mut head = request("POST", "/m");
    head.length = Some(5);
    let handler = async |request: Request<Incoming>| {
        let mut body = request.into_body();
        assert_eq!(body.size_hint().exact(), Some(5));
        next_piece(&mut body).await.unwrap().unwrap();
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(next_piece(&mut body).await.is_none());
        assert!(body.is_end_stream());
        Response::new(String::new())
    };
    Line::serve(ServiceFn(handler), head, false, async |stream| {
        send(&stream, b"12345").await;
        stream.end(Headers::new());
        assert_eq!(hear(&stream).await.heads.len(), 1);
    });
}

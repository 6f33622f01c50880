//! All that the core does for one request, from the client's octets to the client's octets.

use bytes::{Bytes, BytesMut};
use telephone_core::forward::{Stamp, Trusted};
use telephone_core::http1::{Client, ClientEvent, Server, ServerEvent};
use telephone_core::limits::{HttpLimits, RouterLimits, SessionLimits};
use telephone_core::message::RequestHead;
use telephone_core::mount::Mount;
use telephone_core::router::{Identity, Registration, ResumeSecret, Route, Router, SessionKey};
use telephone_core::session::{Accepted, Event, Incoming, StreamId};
use telephone_core::target;
use telephone_core::time::Timestamp;
use telephone_core::wire::Opening;

use crate::forwarding::observed;
use crate::http1::write_out;
use crate::pair::Pair;
use crate::{Work, heads};

/// The state machines of a relay and a telephone between a client's connection and a backend's, both kept alive.
#[derive(Debug)]
pub struct WholeRequest {
    stamp: Stamp,
    router: Router,
    pair: Pair,
    server: Server,
    /// What the client sent.
    asked: BytesMut,
    client: Client,
    /// What the backend sent.
    answered: BytesMut,
}

impl WholeRequest {
    /// A relay with one telephone.
    ///
    /// # Panics
    /// If the mount of the heads is none.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let mut router = Router::new(RouterLimits::default(), Timestamp::ZERO);
        let mounts: Vec<Mount> = vec![heads::MOUNT.parse().expect("a mount")];
        let secret = ResumeSecret::new([7; 16]);
        let registration = Registration {
            identity: Identity::new("shop", "one"),
            epoch: 1,
            claims: mounts.clone(),
            mounts,
            is_partial_enough: false,
            secret,
            sticky: None,
        };
        router.register(SessionKey::new(1), registration, 1, Timestamp::ZERO).expect("a free mount");
        Self {
            stamp: Stamp::new(observed()),
            router,
            pair: Pair::new(&SessionLimits::default()),
            server: Server::new(HttpLimits::default(), Timestamp::ZERO),
            asked: BytesMut::with_capacity(64 * 1024),
            client: Client::new(HttpLimits::default()),
            answered: BytesMut::with_capacity(64 * 1024),
        }
    }

    /// The relay reads the request, stamps it, chooses a session and opens a stream there.
    fn open(&mut self) -> (SessionKey, StreamId) {
        let now = self.pair.now;
        let Some(ServerEvent::Request { mut head, end, origin }) =
            self.server.poll_event(&mut self.asked, now)
        else {
            panic!("no request")
        };
        self.stamp.put(&mut head.headers, Trusted::NOBODY);
        let path = target::path(&head.target);
        let Route::To { session, mount, .. } = self.router.route(origin.host.as_deref(), path, now) else {
            panic!("not routed")
        };
        // The relay keeps the head for a second attempt.
        let opening = Opening::Http { mount: Bytes::from(mount.to_string()), head: head.clone() };
        (session, self.pair.plugboard.session.open(opening, end, now).expect("an open session"))
    }

    /// The telephone takes the stream and writes the request for the backend.
    fn ask(&mut self) -> StreamId {
        let session = &mut self.pair.telephone.session;
        assert_eq!(session.poll_event(), Some(Event::Opened));
        let Some(Accepted { id, opening: Opening::Http { head, .. }, .. }) = session.accept() else {
            panic!("no stream")
        };
        self.write_request(id, &head);
        id
    }

    fn write_request(&mut self, id: StreamId, head: &RequestHead) {
        let is_whole = self.pair.telephone.session.recv(id).is_at_end();
        self.client.request(head, is_whole).expect("a free connection");
        assert!(write_out(self.client.output()) > 0);
    }

    /// The backend's answer goes into the stream.
    fn answer(&mut self, id: StreamId) {
        let mut stream = self.pair.telephone.session.send(id);
        while let Some(event) = self.client.poll_event(&mut self.answered).expect("a sound response") {
            match event {
                ClientEvent::Head { head, end } => stream.respond(head, end).expect("a sound head"),
                ClientEvent::Body(mut octets) => {
                    stream.write(&mut octets).expect("a peer that reads");
                }
                ClientEvent::End(trailers) => stream.end(trailers),
                event => panic!("not a response: {event:?}"),
            }
        }
        assert!(self.client.is_reusable(&self.answered));
    }

    /// The relay writes the answer for the client.
    fn take(&mut self, id: StreamId) {
        let session = &mut self.pair.plugboard.session;
        assert_eq!(session.poll_event(), Some(Event::Readable(id)));
        loop {
            match session.recv(id).read() {
                Incoming::Head => {
                    let head = session.recv(id).take_head().expect("a head");
                    self.server.respond(&head, false).expect("a sound head");
                }
                Incoming::Octets(octets) => {
                    session.recv(id).credit(octets.len(), self.pair.now);
                    self.server.write(octets);
                }
                Incoming::End(trailers) => break self.server.end(&trailers),
                other => panic!("not an answer: {other:?}"),
            }
        }
        assert!(write_out(self.server.output()) > heads::BODY_BYTES);
        assert!(self.server.poll_event(&mut self.asked, self.pair.now).is_none() && self.server.is_idle());
    }
}

impl Work for WholeRequest {
    fn prepare(&mut self) {
        self.asked.extend_from_slice(heads::BROWSER_REQUEST);
        self.answered.extend_from_slice(heads::SITE_RESPONSE);
        self.answered.extend_from_slice(heads::BODY);
    }

    fn run(&mut self) {
        self.pair.step();
        let (key, id) = self.open();
        self.pair.down();
        assert_eq!(self.ask(), id);
        self.answer(id);
        self.pair.up();
        self.take(id);
        self.pair.plugboard.session.release(id);
        self.pair.telephone.session.release(id);
        self.router.finish(key);
    }
}

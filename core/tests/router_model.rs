//! The router against a model that knows no better than to look at everything (F9, I25, I26).

use std::time::Duration;

use proptest::prelude::*;
use telephone_core::limits::RouterLimits;
use telephone_core::mount::Mount;
use telephone_core::router::{
    Identity, Reduced, Refusal, RegisterError, Registered, Registration, ResumeSecret, Route, Router,
    RouterEvent, SessionKey, Ticket,
};
use telephone_core::target;
use telephone_core::time::Timestamp;

#[path = "router_model/presenting.rs"]
mod presenting;

const MOUNTS: [&str; 8] = ["/", "/a", "/a/b", "/a-b", "/ab", "h.net/", "h.net/a", "/a/b/c"];
const HOSTS: [Option<&str>; 3] = [None, Some("H.net.:80"), Some("other.net")];
const PATHS: [&str; 9] = ["/", "/a", "/a/", "/a/b/x", "/a-b/c", "/abc", "/x", "/a/b/c/d", "/a/x//y"];

/// The relay's clock, in milliseconds since 1970.
const CLOCK: u64 = 1_000_000;

fn limits() -> RouterLimits {
    RouterLimits {
        parked_per_mount: 3,
        parked: 5,
        remembered: 3,
        remember_time: Duration::from_secs(20),
        ..RouterLimits::default()
    }
}

#[derive(Debug, Clone)]
enum Op {
    Register { subject: u8, instance: u8, epoch: u64, mounts: Vec<usize>, claims: Vec<usize>, partial: bool },
    Present { session: usize, mounts: Vec<usize>, not_ready: Vec<usize>, claims: Vec<usize> },
    LinkUp(usize),
    LinkDown(usize),
    Suspend(usize),
    Narrow(usize, usize),
    Remove(usize),
    Finish(usize),
    Route { host: usize, path: usize },
    Cancel(usize),
    Pass(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let mounts = || prop::collection::vec(0..MOUNTS.len(), 0..4);
    let epoch = prop_oneof![9 => 0_u64..4, 1 => Just(CLOCK + 86_400_000), 1 => Just(CLOCK + 86_400_001)];
    let register = (0_u8..2, 0_u8..2, epoch, mounts(), mounts(), any::<bool>()).prop_map(
        |(subject, instance, epoch, mounts, claims, partial)| Op::Register {
            subject,
            instance,
            epoch,
            mounts,
            claims,
            partial,
        },
    );
    let any_session = || 0_usize..12;
    let op = prop_oneof![
        4 => register,
        2 => (any_session(), mounts(), mounts(), mounts()).prop_map(|(session, mounts, not_ready, claims)| {
            Op::Present { session, mounts, not_ready, claims }
        }),
        2 => any_session().prop_map(Op::LinkUp),
        2 => any_session().prop_map(Op::LinkDown),
        1 => any_session().prop_map(Op::Suspend),
        1 => (any_session(), 0..MOUNTS.len()).prop_map(|(session, claim)| Op::Narrow(session, claim)),
        1 => any_session().prop_map(Op::Remove),
        2 => any_session().prop_map(Op::Finish),
        12 => (0..HOSTS.len(), 0..PATHS.len()).prop_map(|(host, path)| Op::Route { host, path }),
        1 => (0_usize..5).prop_map(Op::Cancel),
        3 => (0_u64..4_000).prop_map(Op::Pass),
    ];
    prop::collection::vec(op, 1..120)
}

#[derive(Debug)]
struct Member {
    key: SessionKey,
    identity: Identity,
    epoch: u64,
    mounts: Vec<Mount>,
    /// Those whose application does not accept connections.
    not_ready: Vec<Mount>,
    is_linked: bool,
    /// It registered mounts.
    serves: bool,
    is_suspended: bool,
    load: i64,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    mount: Option<Mount>,
    place: (Option<&'static str>, &'static str),
    deadline: Timestamp,
}

/// Everything in plain lists.
#[derive(Debug)]
struct Model {
    now: Timestamp,
    members: Vec<Member>,
    /// Mounts without a session and since when, the oldest first.
    lost: Vec<(Timestamp, u64, Mount)>,
    /// In which order mounts became known, which breaks ties in `lost`.
    known: Vec<Mount>,
    waiting: Vec<Waiting>,
    /// Waiting requests whose mount was forgotten.
    orphans: Vec<Ticket>,
}

impl Model {
    fn holders(&self, mount: &Mount) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.mounts.contains(mount))
    }

    fn is_known(&self, mount: &Mount) -> bool {
        self.holders(mount).next().is_some() || self.lost.iter().any(|(_, _, lost)| lost == mount)
    }

    /// The mount of a path by the words of the documentation.
    fn decide(&self, host: Option<&str>, path: &str) -> Option<Mount> {
        let path = path.trim_end_matches('/');
        let is_above = |mount: &Mount| {
            mount.path().is_some_and(|top| path == top || path.starts_with(&format!("{top}/")))
        };
        let host = host.map(|host| host.split(':').next().unwrap().trim_end_matches('.').to_lowercase());
        let all = MOUNTS.iter().map(|text| text.parse::<Mount>().unwrap());
        let candidates = all.filter(|mount| self.is_known(mount) && is_above(mount));
        let fits = |mount: &Mount| mount.host().is_none() || mount.host() == host.as_deref();
        candidates
            .filter(fits)
            .max_by_key(|mount| (mount.host().is_some(), mount.path().unwrap_or_default().len()))
    }

    /// Some session holds these mounts from now on.
    fn learn(&mut self, mounts: &[Mount]) {
        self.lost.retain(|(_, _, lost)| !mounts.contains(lost));
        let news: Vec<Mount> = mounts.iter().filter(|mount| !self.known.contains(mount)).cloned().collect();
        self.known.extend(news);
    }

    /// Takes mounts away from a session.
    fn withdraw(&mut self, key: SessionKey, keep: impl Fn(&Mount) -> bool) {
        let Some(member) = self.members.iter_mut().find(|member| member.key == key) else { return };
        let (kept, gone) = std::mem::take(&mut member.mounts).into_iter().partition(|mount| keep(mount));
        member.mounts = kept;
        let Member { mounts, not_ready, .. } = member;
        not_ready.retain(|mount| mounts.contains(mount));
        for mount in gone {
            if self.holders(&mount).next().is_none() {
                let order = self.known.iter().position(|known| *known == mount).unwrap();
                self.lost.push((self.now, order as u64, mount));
            }
        }
        self.lost.sort();
        self.forget();
    }

    fn forget(&mut self) {
        let limits = limits();
        while let Some((since, _, mount)) = self.lost.first() {
            if self.lost.len() <= limits.remembered && self.now.since(*since) < limits.remember_time {
                break;
            }
            let mount = mount.clone();
            self.known.retain(|known| *known != mount);
            let orphans = self.waiting.iter().filter(|waiting| waiting.mount.as_ref() == Some(&mount));
            self.orphans.extend(orphans.map(|waiting| waiting.ticket));
            self.lost.remove(0);
            self.reorder();
        }
    }

    /// Positions in `known` have moved; their order has not.
    fn reorder(&mut self) {
        for (_, order, mount) in &mut self.lost {
            *order = self.known.iter().position(|known| known == mount).unwrap() as u64;
        }
    }
}

fn registration(
    identity: Identity,
    epoch: u64,
    mounts: Vec<Mount>,
    claims: Vec<Mount>,
    is_partial_enough: bool,
) -> Registration {
    let secret = ResumeSecret::new([7; 16]);
    Registration { identity, epoch, mounts, claims, is_partial_enough, secret, sticky: None }
}

fn parse(places: &[usize]) -> Vec<Mount> {
    places.iter().map(|&index| MOUNTS[index].parse().unwrap()).collect()
}

struct Pair {
    router: Router,
    model: Model,
    next_key: u64,
}

impl Pair {
    fn new() -> Self {
        let now = Timestamp::ZERO;
        let (members, lost, known) = (Vec::new(), Vec::new(), Vec::new());
        let (waiting, orphans) = (Vec::new(), Vec::new());
        let model = Model { now, members, lost, known, waiting, orphans };
        Self { router: Router::new(limits(), now), model, next_key: 0 }
    }

    /// The key of one of the sessions that came so far, gone ones included.
    fn key(&self, pick: usize) -> SessionKey {
        SessionKey::new((pick as u64).min(self.next_key))
    }

    fn step(&mut self, op: &Op) {
        let now = self.model.now;
        match op {
            Op::Register { subject, instance, epoch, mounts, claims, partial } => {
                let identity = Identity::new(format!("s{subject}"), format!("i{instance}"));
                let (mounts, claims) = (parse(mounts), parse(claims));
                self.register(registration(identity, *epoch, mounts, claims, *partial));
            }
            Op::Present { session, mounts, not_ready, claims } => {
                self.present(self.key(*session), &parse(mounts), &parse(not_ready), &parse(claims));
            }
            Op::LinkUp(pick) | Op::LinkDown(pick) => {
                let (key, is_up) = (self.key(*pick), matches!(op, Op::LinkUp(_)));
                if is_up {
                    self.router.handle_link_up(key, now);
                } else {
                    self.router.handle_link_down(key, now);
                }
                let mut members = self.model.members.iter_mut();
                if let Some(member) = members.find(|member| member.key == key && !member.is_suspended) {
                    member.is_linked = is_up;
                }
            }
            Op::Suspend(pick) => {
                let key = self.key(*pick);
                self.router.suspend(key, now);
                self.model.withdraw(key, |_| false);
                if let Some(member) = self.model.members.iter_mut().find(|member| member.key == key) {
                    (member.is_linked, member.is_suspended) = (false, true);
                }
            }
            Op::Narrow(pick, claim) => {
                let (key, claim) = (self.key(*pick), MOUNTS[*claim].parse::<Mount>().unwrap());
                self.router.narrow(key, std::slice::from_ref(&claim), now);
                self.model.withdraw(key, |mount| claim.covers(mount));
            }
            Op::Remove(pick) => {
                let key = self.key(*pick);
                self.router.remove(key, now);
                self.model.withdraw(key, |_| false);
                self.model.members.retain(|member| member.key != key);
            }
            Op::Finish(pick) => {
                let key = self.key(*pick);
                self.router.finish(key);
                if let Some(member) = self.model.members.iter_mut().find(|member| member.key == key) {
                    member.load = (member.load - 1).max(0);
                }
            }
            Op::Route { host, path } => self.route(HOSTS[*host], PATHS[*path]),
            Op::Cancel(pick) => {
                if *pick < self.model.waiting.len() {
                    self.router.cancel(self.model.waiting.remove(*pick).ticket);
                }
            }
            Op::Pass(millis) => {
                self.model.now = now + Duration::from_millis(*millis);
                self.model.forget();
                self.router.handle_timeout(self.model.now);
            }
        }
        self.drain();
        self.check();
    }

    /// What is to come of a registration, by the words of the documentation.
    fn expected(&self, registration: &Registration) -> Result<Registered, RegisterError> {
        let Registration { identity, epoch, mounts, claims, is_partial_enough, .. } = registration;
        if *epoch > CLOCK + 86_400_000 {
            return Err(RegisterError::EpochAhead { epoch: *epoch, unix_millis: CLOCK });
        }
        let own = || self.model.members.iter().filter(|old| old.identity == *identity && !old.is_suspended);
        let is_newer = |old: &&Member| old.epoch > *epoch && old.is_linked;
        let is_stale = |mount: &Mount| own().filter(is_newer).any(|old| old.mounts.contains(mount));
        let stale = mounts.iter().find(|mount| is_stale(mount));
        let mut kept: Vec<Mount> = mounts.iter().filter(|mount| !is_stale(mount)).cloned().collect();
        if mounts.is_empty() && own().filter(is_newer).any(|old| !old.serves) {
            return Err(RegisterError::Stale { mount: None });
        }
        if let Some(mount) = stale.filter(|_| kept.is_empty() || !is_partial_enough) {
            return Err(RegisterError::Stale { mount: Some(mount.clone()) });
        }
        kept.sort();
        kept.dedup();
        let held = |mount: &&Mount| {
            self.model.holders(mount).any(|member| member.identity.subject() != identity.subject())
        };
        if let Some(mount) = kept.iter().find(held) {
            return Err(RegisterError::Held { mount: mount.clone() });
        }
        let reduce = |old: &Member| {
            let is_claimed =
                |mount: &Mount| old.epoch <= *epoch && claims.iter().any(|claim| claim.covers(mount));
            let is_lost = |mount: &Mount| kept.contains(mount) || is_claimed(mount);
            let loses = if kept.is_empty() { !old.serves } else { old.mounts.iter().any(is_lost) };
            let left = old.mounts.iter().filter(|mount| !is_lost(mount)).cloned().collect();
            loses.then_some(Reduced { session: old.key, left })
        };
        let reduced = own().filter_map(reduce).collect();
        Ok(Registered { mounts: kept, reduced })
    }

    fn register(&mut self, registration: Registration) {
        let key = SessionKey::new(self.next_key);
        let Registration { identity, epoch, .. } = registration.clone();
        let expected = self.expected(&registration);
        let found = self.router.register(key, registration, CLOCK, self.model.now);
        assert_eq!(found, expected);
        let Ok(Registered { mounts, reduced }) = found else { return };
        self.next_key += 1;
        self.model.learn(&mounts);
        let (is_linked, is_suspended, load) = (true, false, 0);
        let serves = !mounts.is_empty();
        let not_ready = Vec::new();
        let member =
            Member { key, identity, epoch, mounts, not_ready, is_linked, serves, is_suspended, load };
        self.model.members.push(member);
        for Reduced { session, left } in reduced {
            self.model.withdraw(session, |mount| left.contains(mount));
            self.model.members.retain(|member| member.key != session || !left.is_empty());
        }
        self.settle_unknown();
    }

    /// Requests for mounts that were not known wait for theirs.
    fn settle_unknown(&mut self) {
        for index in 0..self.model.waiting.len() {
            let (host, path) = self.model.waiting[index].place;
            if self.model.waiting[index].mount.is_none() {
                self.model.waiting[index].mount = self.model.decide(host, path);
            }
        }
    }

    fn route(&mut self, host: Option<&'static str>, path: &'static str) {
        let now = self.model.now;
        let mount = self.model.decide(host, path);
        let route = self.router.route(host.map(str::as_bytes), path.as_bytes(), now);
        let of_mount = |waiting: &&Waiting| mount.is_some() && waiting.mount == mount;
        let is_full = self.model.waiting.len() >= limits().parked
            || self.model.waiting.iter().filter(of_mount).count() >= limits().parked_per_mount;
        let retry_after = limits().retry_after;
        let is_linked = |member: &Member| member.is_linked;
        let (can_go, may_wait) = match &mount {
            Some(mount) => (self.model.holders(mount).any(is_linked), true),
            None => (false, now.since(Timestamp::ZERO) < limits().start_grace),
        };
        match route {
            Route::To { session, mount: chosen, .. } => {
                assert_eq!(Some(&*chosen), mount.as_ref());
                self.begin(session, &chosen);
            }
            Route::Park(ticket) => {
                assert!(!can_go && may_wait && !is_full);
                let deadline = now + limits().park_time;
                self.model.waiting.push(Waiting { ticket, mount, place: (host, path), deadline });
            }
            Route::Refuse(Refusal::TooBusy { .. }) => assert!(!can_go && may_wait && is_full),
            Route::Refuse(refusal) => {
                assert!(!can_go && !may_wait);
                let is_alone = !self.model.members.iter().any(|member| member.is_linked && member.serves);
                let nobody = Refusal::NobodyConnected { retry_after };
                assert_eq!(refusal, if is_alone { nobody } else { Refusal::NoSuchMount });
            }
        }
    }

    /// One exchange goes to `session`, which must be a least busy linked holder of the mount, of those that are ready if
    /// there are any.
    fn begin(&mut self, session: SessionKey, mount: &Mount) {
        let linked = || self.model.holders(mount).filter(|member| member.is_linked);
        let is_ready = |member: &Member| !member.not_ready.contains(mount);
        let is_any_ready = linked().any(is_ready);
        let linked = || linked().filter(|member| is_ready(member) || !is_any_ready);
        let least = linked().map(|member| member.load).min();
        let chosen = linked().find(|member| member.key == session).map(|member| member.load);
        assert!(chosen.is_some() && chosen == least, "{session:?} of {mount}: {:?}", self.model);
        self.model.members.iter_mut().find(|member| member.key == session).unwrap().load += 1;
    }

    fn drain(&mut self) {
        while let Some(event) = self.router.poll_event() {
            match event {
                RouterEvent::Unparked { ticket, session, mount, .. } => {
                    let is_of = |waiting: &Waiting| waiting.mount.as_ref() == Some(&*mount);
                    let first = self.model.waiting.iter().position(is_of).expect("somebody waits");
                    assert_eq!(self.model.waiting.remove(first).ticket, ticket, "the oldest goes first");
                    self.begin(session, &mount);
                }
                RouterEvent::Rescheduled { ticket } => panic!("no client is bound: {ticket:?}"),
                RouterEvent::Refused { ticket, .. } => {
                    let at = self.model.waiting.iter().position(|waiting| waiting.ticket == ticket);
                    let waiting = self.model.waiting.remove(at.expect("it waits"));
                    let is_orphan = self.model.orphans.contains(&ticket);
                    assert!(waiting.deadline <= self.model.now || is_orphan, "{waiting:?}");
                }
            }
        }
    }

    fn check(&self) {
        let counts = self.router.counts();
        let linked = self.model.members.iter().filter(|member| member.is_linked);
        assert_eq!((counts.sessions, counts.linked), (self.model.members.len(), linked.count()));
        assert_eq!(counts.remembered, self.model.lost.len());
        assert_eq!(counts.mounts, self.model.known.len() - self.model.lost.len());
        assert_eq!(counts.parked, self.model.waiting.len());
        let first = self.model.waiting.iter().map(|waiting| waiting.deadline).min();
        assert_eq!(self.router.poll_timeout(), first);
        for waiting in &self.model.waiting {
            let mut holders = waiting.mount.iter().flat_map(|mount| self.model.holders(mount));
            assert!(!holders.any(|member| member.is_linked), "{waiting:?} could go");
        }
    }
}

/// The path that a backend sees which decodes slashes and semicolons, drops parameters and merges slashes.
fn read_eagerly(path: &str) -> String {
    let decoded = path.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    let names = decoded.split('/').map(|segment| segment.split(';').next().unwrap());
    names.filter(|name| !name.is_empty()).flat_map(|name| ["/", name]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn the_router_does_what_a_naive_model_does(ops in ops()) {
        let mut pair = Pair::new();
        for op in &ops {
            pair.step(op);
        }
    }

    #[test]
    fn a_mount_decision_stays_after_one_more_normalisation(
        pieces in prop::collection::vec(
            prop::sample::select(vec!["/", "a", "b", "%2f", "%5C", ";", "%3b", "x", "/a", "/a/b", ".", "%2e"]),
            1..10,
        ),
        mounts in prop::sample::subsequence(MOUNTS.to_vec(), 1..=MOUNTS.len()),
    ) {
        let now = Timestamp::from_micros(60_000_000);
        let mut router = Router::new(limits(), Timestamp::ZERO);
        let mounts = mounts.iter().map(|mount| mount.parse().unwrap()).collect();
        let registration = Registration {
            identity: Identity::new("s", "i"),
            epoch: 1,
            mounts,
            claims: Vec::new(),
            is_partial_enough: false,
            secret: ResumeSecret::new([7; 16]),
            sticky: None,
        };
        router.register(SessionKey::new(1), registration, CLOCK, now).unwrap();
        if let Ok(target) = target::canonical(format!("/{}", pieces.concat()).as_bytes()) {
            let seen = read_eagerly(std::str::from_utf8(&target).unwrap());
            for host in [None, Some(b"h.net".as_slice())] {
                let decision = router.route(host, &target, now);
                if decision != Route::Refuse(Refusal::Ambiguous) {
                    prop_assert_eq!(&decision, &router.route(host, seen.as_bytes(), now), "{}", seen);
                }
            }
        }
    }
}

use alloc::format;

use super::*;

#[test]
fn the_longest_mount_on_segment_boundaries_is_chosen() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    relay.register(2, "b", "/api/v1");
    relay.register(3, "c", "/api-v1 /api.x");
    let rows = [
        ("/api", 1, "/api"),
        ("/api/", 1, "/api"),
        ("/api/v2", 1, "/api"),
        ("/api/v10", 1, "/api"),
        ("/api/v1", 2, "/api/v1"),
        ("/api/v1/", 2, "/api/v1"),
        ("/api/v1/x/y", 2, "/api/v1"),
        ("/api-v1/v1", 3, "/api-v1"),
        ("/api.x", 3, "/api.x"),
        ("/api//x", 1, "/api"),
    ];
    for (path, key, mount) in rows {
        assert_eq!(relay.to(path), (key, mount.to_string()), "{path}");
    }
    for path in ["/", "/ap", "/apis", "/API", "/x/api", "/api-v2", "/api.", "/api%20"] {
        assert_eq!(relay.refuses(path), Refusal::NoSuchMount, "{path}");
    }
}

#[test]
fn any_mount_of_the_host_goes_before_all_mounts_without_one() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/ /deep/er");
    relay.register(2, "b", "example.com/ other.net/only");
    assert_eq!(relay.to("example.com/deep/er").0, 2);
    assert_eq!(relay.to("EXAMPLE.com.:8080/x").0, 2);
    assert_eq!(relay.to("other.net/only/x").0, 2);
    assert_eq!(relay.to("other.net/deep/er"), (1, "/deep/er".to_string()));
    assert_eq!(relay.to("www.example.com/").0, 1);
    assert_eq!(relay.to("/deep/x"), (1, "/".to_string()));
}

#[test]
fn a_request_for_the_server_itself_belongs_to_the_root() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/api");
    assert_eq!(relay.router.route(None, b"*", relay.now), Route::Refuse(Refusal::NoSuchMount));
    relay.register(2, "b", "/");
    assert!(matches!(relay.router.route(None, b"*", relay.now), Route::To { session, .. }
        if session == SessionKey::new(2)));
}

#[test]
fn a_path_that_backends_read_as_different_mounts_is_refused() {
    let mut relay = Relay::new();
    relay.register(1, "a", "/ /a /a/api");
    for path in [
        "/a%2Fapi",
        "/a%2Fapi/x",
        "/a%5Capi",
        "/a//api",
        "/a/;x/api",
        "/a;x/api",
        "/a%3Bx/",
        "/a/api;v=1/x",
        "/%2Fa",
        "/a/%2Fapi",
        "/a;p%2Fq/api",
        "/a;%2Fapi",
        "/a/;p%2Fq/api",
        "/a%3Bp%2Fq/api",
        "/a/%3Bp%5Cq//api",
        "/%3Bp%2Fa%3Bq%5Cr//api",
    ] {
        assert_eq!(relay.refuses(path), Refusal::Ambiguous, "{path}");
    }
    for (path, mount) in [
        ("/a/x%2Fapi", "/a"),
        ("/a/api/x%2Fy", "/a/api"),
        ("/a/x;v=1/api", "/a"),
        ("/a//x", "/a"),
        ("/a/api//", "/a/api"),
        ("/x//a", "/"),
        ("/a/api%252Fx", "/a"),
        ("/;x", "/"),
    ] {
        assert_eq!(relay.to(path).1, mount, "{path}");
    }
}

#[test]
fn of_a_pool_the_least_busy_session_is_chosen_and_then_the_next_in_turn() {
    let mut relay = Relay::new();
    for key in 1..=3 {
        relay.register(key, &format!("a/{key}"), "/api");
    }
    let turns: Vec<u64> = (0..6).map(|_| relay.to("/api").0).collect();
    assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
    relay.router.finish(SessionKey::new(2));
    relay.router.finish(SessionKey::new(2));
    assert_eq!([relay.to("/api").0, relay.to("/api").0, relay.to("/api").0], [2, 2, 3]);
}

#[test]
fn equally_busy_sessions_take_turns_also_when_each_exchange_is_short() {
    let mut relay = Relay::new();
    relay.register(1, "a/1", "/api");
    relay.register(2, "a/2", "/api");
    let turns: Vec<u64> = (0..4)
        .map(|_| {
            let (key, _) = relay.to("/api");
            relay.router.finish(SessionKey::new(key));
            key
        })
        .collect();
    assert_eq!(turns, [1, 2, 1, 2]);
}

#[test]
fn a_session_without_a_link_is_not_chosen_while_another_has_one() {
    let mut relay = Relay::new();
    relay.register(1, "a/1", "/api");
    relay.register(2, "a/2", "/api");
    relay.link_down(1);
    assert_eq!([relay.to("/api").0, relay.to("/api").0], [2, 2]);
    relay.link_up(1);
    assert_eq!(relay.to("/api").0, 1);
}

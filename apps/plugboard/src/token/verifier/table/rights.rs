//! `mounts`, `connect`, `clients` and `client_tokens`.

use super::*;

/// A token with these claims besides `sub` and `exp`.
fn of(rights: Value) -> String {
    let mut claims = json!({ "sub": "shop", "exp": NOW + 600 });
    claims.as_object_mut().unwrap().extend(rights.as_object().unwrap().clone());
    by_payload(claims.to_string())
}

fn mounts(mount: &str) -> String {
    of(json!({ "mounts": [mount] }))
}

fn connect(mount: &str) -> String {
    of(json!({ "connect": [mount] }))
}

pub(super) fn telephones() -> Vec<Row> {
    [registering(), connecting(), both()].concat()
}

fn registering() -> Vec<Row> {
    let lengths = malformed("`mounts` and `connect` are empty, or one is too long");
    let no_mount = malformed("`mounts` holds something that is no mount");
    vec![
        ("mounts: the root", mounts("/"), GOOD),
        ("mounts: of a host", mounts("shop.example/"), GOOD),
        ("mounts: a host in capitals", mounts("SHOP.example/a"), GOOD),
        ("mounts: a room", mounts("room:notes"), GOOD),
        ("mounts: a port", mounts("tcp:5432"), GOOD),
        ("mounts: an endpoint", mounts("tcp:db:5432"), GOOD),
        ("mounts: 64 of them", of(json!({ "mounts": vec!["/a"; 64] })), GOOD),
        ("mounts: 1000 of them", of(json!({ "mounts": vec!["/a"; 1000] })), lengths),
        ("mounts: null", of(json!({ "mounts": null })), malformed("`mounts` is missing")),
        ("mounts: an object", of(json!({ "mounts": { "0": "/a" } })), TYPES),
        ("mounts: a list in the list", of(json!({ "mounts": [["/a"]] })), TYPES),
        ("mounts: null in the list", of(json!({ "mounts": [null] })), TYPES),
        ("mounts: the empty text", mounts(""), no_mount),
        ("mounts: a space before", mounts(" /a"), no_mount),
        ("mounts: a query", mounts("/a?b"), no_mount),
        ("mounts: a fragment", mounts("/a#b"), no_mount),
        ("mounts: a NUL", mounts("/a\0"), no_mount),
        ("mounts: a line end", mounts("/a\n"), no_mount),
        ("mounts: a URL", mounts("https://shop.example/"), no_mount),
        ("mounts: a room without a name", mounts("room:"), no_mount),
        ("mounts: a room with a path", mounts("room:a/b"), no_mount),
        ("mounts: port 0", mounts("tcp:0"), no_mount),
        ("mounts: port 65536", mounts("tcp:65536"), no_mount),
        ("mounts: a bad one among good ones", of(json!({ "mounts": ["/a", "b", "/c"] })), no_mount),
    ]
}

fn connecting() -> Vec<Row> {
    let lengths = malformed("`mounts` and `connect` are empty, or one is too long");
    let no_endpoint = malformed("`connect` holds something that is no tcp:PORT or tcp:NAME:PORT");
    vec![
        ("connect: a port", connect("tcp:22"), GOOD),
        ("connect: an endpoint", connect("tcp:box:22"), GOOD),
        ("connect: 64 of them", of(json!({ "connect": vec!["tcp:1"; 64] })), GOOD),
        ("connect: empty and alone", of(json!({ "connect": [] })), lengths),
        ("connect: null and alone", of(json!({ "connect": null })), malformed("`mounts` is missing")),
        ("connect: a text", of(json!({ "connect": "tcp:22" })), TYPES),
        ("connect: a room", connect("room:a"), no_endpoint),
        ("connect: everything", connect("tcp:*"), no_endpoint),
        ("connect: a host of others", connect("127.0.0.1:22"), no_endpoint),
    ]
}

fn both() -> Vec<Row> {
    vec![
        ("rights: to register and to connect", of(json!({ "mounts": ["/a"], "connect": ["tcp:1"] })), GOOD),
        ("rights: one list empty", of(json!({ "mounts": [], "connect": ["tcp:1"] })), GOOD),
        ("rights: of a client, too", of(json!({ "mounts": ["room:a"], "clients": ["room:a"] })), GOOD),
        ("rights: of a client alone", of(json!({ "clients": ["room:a"] })), malformed("`mounts` is missing")),
        ("rights: none", of(json!({})), malformed("`mounts` is missing")),
        ("client_tokens: true", of(json!({ "mounts": ["room:a"], "client_tokens": true })), GOOD),
        ("client_tokens: null is none", of(json!({ "mounts": ["room:a"], "client_tokens": null })), GOOD),
        ("client_tokens: a text", of(json!({ "mounts": ["room:a"], "client_tokens": "true" })), TYPES),
        ("client_tokens: 1", of(json!({ "mounts": ["room:a"], "client_tokens": 1 })), TYPES),
    ]
}

pub(super) fn clients() -> Vec<Row> {
    let clients = |rooms: Value| of(json!({ "clients": rooms }));
    let no_room = malformed("`clients` holds something that is no room");
    vec![
        ("clients: a room", clients(json!(["room:a"])), GOOD),
        ("clients: 64 of them", clients(json!(vec!["room:a"; 64])), GOOD),
        ("clients: 65 of them", clients(json!(vec!["room:a"; 65])), malformed("`clients` is too long")),
        ("clients: none lets it in nowhere", clients(json!([])), GOOD),
        ("clients: the right to register lets it in nowhere", mounts("room:a"), GOOD),
        ("clients: a path", clients(json!(["/a"])), no_room),
        ("clients: a port", clients(json!(["tcp:1"])), no_room),
        ("clients: all rooms", clients(json!(["room:*"])), no_room),
        ("clients: the name alone", clients(json!(["a"])), no_room),
        ("clients: a text", clients(json!("room:a")), TYPES),
        ("clients: a list of numbers", clients(json!([1])), TYPES),
        (
            "clients: expired",
            by_payload(json!({ "sub": "a", "exp": 1, "clients": ["room:a"] }).to_string()),
            Err(AuthError::Expired),
        ),
        (
            "clients: of nobody",
            by_payload(json!({ "exp": NOW + 1, "clients": ["room:a"] }).to_string()),
            malformed("`sub` is missing"),
        ),
        ("clients: forged", clients(json!(["room:a"])) + "A", FORGED),
    ]
}

use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use serde_json::Value;
use tower_service::Service;

use super::*;
use crate::scratch::Scratch;

#[derive(Default)]
struct TwoSessions(Mutex<Vec<Revoked>>);

impl Sessions for TwoSessions {
    fn end(&self, revoked: &Revoked) -> usize {
        self.0.lock().unwrap().push(revoked.clone());
        2
    }

    fn requests(&self) -> usize {
        3
    }

    fn waiting(&self) -> usize {
        0
    }

    fn connections(&self) -> usize {
        4
    }

    fn replay_bytes(&self) -> u64 {
        6
    }

    fn stats(&self) -> Stats {
        Stats { streams_open: 5, ..Stats::default() }
    }
}

struct Fixture {
    routes: Router,
    revocations: Arc<Revocations>,
    sessions: Arc<TwoSessions>,
    is_draining: Arc<AtomicBool>,
}

fn fixture(address: &str) -> Fixture {
    let (revocations, sessions) = (Arc::new(Revocations::default()), Arc::new(TwoSessions::default()));
    let is_draining = Arc::new(AtomicBool::new(false));
    let fixture = Fixture { routes: Router::new(), revocations, sessions, is_draining };
    let address = address.parse().unwrap();
    Fixture { routes: routes(Admin { address, ..fixture.admin() }), ..fixture }
}

impl Fixture {
    fn local() -> Self {
        fixture("127.0.0.1:4001")
    }

    /// Without a token, at a loopback address.
    fn admin(&self) -> Admin {
        Admin {
            address: "127.0.0.1:4001".parse().unwrap(),
            token: None,
            telemetry: Arc::new(Telemetry::new(None).unwrap()),
            revocations: Arc::clone(&self.revocations),
            sessions: Arc::clone(&self.sessions) as Arc<dyn Sessions>,
            is_draining: Arc::clone(&self.is_draining),
        }
    }

    async fn ask(&mut self, request: Request) -> (StatusCode, String) {
        let answer = self.routes.call(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&mut self, path: &str, host: &str) -> (StatusCode, String) {
        self.ask(Request::get(path).header("host", host).body(Body::empty()).unwrap()).await
    }

    async fn revoke(&mut self, body: &str) -> (StatusCode, Value) {
        let request = Request::post("/revoke").header("host", "localhost:4001");
        let (status, text) = self.ask(request.body(Body::from(body.to_owned())).unwrap()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

#[tokio::test]
async fn a_draining_relay_is_alive_and_not_ready() {
    let mut admin = Fixture::local();
    assert_eq!(admin.get("/readyz", "localhost").await.0, StatusCode::OK);
    admin.is_draining.store(true, Ordering::Relaxed);
    assert_eq!(admin.get("/readyz", "localhost").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(admin.get("/livez", "localhost").await.0, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let (status, text) = Fixture::local().get("/metrics", "localhost").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("# TYPE plugboard_sessions gauge"), "{text}");
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let mut admin = Fixture::local();
    let (status, text) = admin.get("/", "localhost").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("/metrics"));
    assert_eq!(admin.get("/revoke", "localhost").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn only_its_own_names_are_answered() {
    for (address, host, is_own) in [
        ("127.0.0.1:4001", "127.0.0.1:4001", true),
        ("127.0.0.1:4001", "127.0.0.1", true),
        ("127.0.0.1:4001", "localhost:9", true),
        ("127.0.0.1:4001", "LOCALHOST", true),
        ("127.0.0.1:4001", "[::1]:4001", true),
        ("127.0.0.1:4001", "10.0.0.7:4001", false),
        ("127.0.0.1:4001", "evil.example", false),
        ("127.0.0.1:4001", "localhost.evil.example", false),
        ("127.0.0.1:4001", "127.0.0.1.evil.example", false),
        ("127.0.0.1:4001", "evil@localhost:x", false),
        ("127.0.0.1:4001", "", false),
        ("10.0.0.7:4001", "10.0.0.7:4001", true),
        ("10.0.0.7:4001", "10.0.0.8:4001", false),
        ("0.0.0.0:4001", "10.0.0.8:4001", true),
        ("0.0.0.0:4001", "evil.example", false),
        ("[::]:4001", "[2001:db8::1]:4001", true),
    ] {
        let (status, _) = fixture(address).get("/livez", host).await;
        assert_eq!(status == StatusCode::OK, is_own, "{host} at {address}");
    }
}

#[tokio::test]
async fn no_host_or_two_of_them_are_refused() {
    let mut admin = Fixture::local();
    for builder in [
        Request::get("/livez"),
        Request::get("/livez").header("host", "localhost").header("host", "evil.example"),
    ] {
        let (status, _) = admin.ask(builder.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_web_page_cannot_revoke() {
    let mut admin = Fixture::local();
    let request =
        Request::post("/revoke").header("host", "localhost").header("origin", "http://evil.example");
    let (status, _) = admin.ask(request.body(Body::from(r#"{"sub":"shop"}"#)).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!admin.revocations.holds("shop", None));
}

#[tokio::test]
async fn revoking_lists_the_name_and_ends_its_sessions() {
    let mut admin = Fixture::local();
    let ended = json!({ "ended": 2 });
    assert_eq!(admin.revoke(r#"{"sub":"shop"}"#).await, (StatusCode::OK, ended.clone()));
    assert_eq!(admin.revoke(r#"{"jti":"t1"}"#).await, (StatusCode::OK, ended));
    assert!(admin.revocations.holds("shop", None) && admin.revocations.holds("other", Some("t1")));
    let ended = admin.sessions.0.lock().unwrap().clone();
    assert_eq!(ended, [Revoked::Subject("shop".into()), Revoked::Token("t1".into())]);
    assert!(admin.get("/metrics", "localhost").await.1.contains("plugboard_revocations_total 2"));
}

#[tokio::test]
async fn a_bad_order_is_told_what_is_wrong_and_revokes_nobody() {
    let mut admin = Fixture::local();
    for body in [
        "",
        "sub=shop",
        "[]",
        "{}",
        r#"{"sub":null}"#,
        r#"{"sub":""}"#,
        r#"{"sub":7}"#,
        r#"{"sub":"a","jti":"b"}"#,
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"subject":"a"}"#,
        r#"{"sub":"a"} {}"#,
    ] {
        let (status, answer) = admin.revoke(body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer["error"].as_str().unwrap().contains("sub"), "{body}: {answer}");
    }
    let long = format!(r#"{{"sub":"{}"}}"#, "a".repeat(BODY_BYTES_MAX));
    assert_eq!(admin.revoke(&long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(admin.sessions.0.lock().unwrap().is_empty());
}

const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn what_changes_something_needs_the_admin_token_and_what_only_shows_does_not() {
    let mut admin = Fixture::local();
    let file = Scratch::file(format!("{ADMIN_TOKEN}\n").as_bytes());
    admin.routes =
        routes(Admin { token: Some(AdminToken::open(file.path().to_owned()).unwrap()), ..admin.admin() });
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(admin.get(path, "localhost").await.0, StatusCode::OK, "{path}");
    }
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let other = format!("Bearer {}", ADMIN_TOKEN.replace('0', "1"));
    for (method, path, shown, status) in [
        ("POST", "/revoke", None, StatusCode::UNAUTHORIZED),
        ("POST", "/revoke", Some(&other), StatusCode::UNAUTHORIZED),
        ("POST", "/revoke", Some(&bearer), StatusCode::OK),
        ("GET", "/revoke", None, StatusCode::METHOD_NOT_ALLOWED),
        ("PUT", "/revoke", None, StatusCode::UNAUTHORIZED),
        ("DELETE", "/anything", None, StatusCode::UNAUTHORIZED),
        ("DELETE", "/anything", Some(&bearer), StatusCode::NOT_FOUND),
    ] {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if let Some(shown) = shown {
            request = request.header("authorization", shown);
        }
        let answer = admin.routes.call(request.body(Body::from(r#"{"sub":"shop"}"#)).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path} {shown:?}");
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!(challenge, (status == StatusCode::UNAUTHORIZED).then_some("Bearer"));
    }
    assert_eq!(admin.sessions.0.lock().unwrap().len(), 1, "others have revoked, too");
    std::fs::remove_file(file.path()).unwrap();
    let request = Request::post("/revoke").header("host", "localhost").header("authorization", bearer);
    let (status, _) = admin.ask(request.body(Body::from(r#"{"sub":"cart"}"#)).unwrap()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!admin.revocations.holds("cart", None));
}

#[tokio::test]
async fn a_revocation_that_cannot_be_saved_holds_and_is_not_called_saved() {
    let file = Scratch::file(b"");
    let revocations = Arc::new(Revocations::unwritable(file.path()));
    let mut admin = Fixture::local();
    admin.routes = routes(Admin { revocations: Arc::clone(&revocations), ..admin.admin() });
    let (status, answer) = admin.revoke(r#"{"sub":"shop"}"#).await;
    assert_eq!((status, &answer["ended"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!(2)));
    let why = answer["error"].as_str().unwrap();
    assert!(why.contains("holds until the relay stops") && why.contains("--revocations"), "{why}");
    assert!(revocations.holds("shop", None));
}

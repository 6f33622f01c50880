use axum::body::{Body, to_bytes};
use futures_lite::StreamExt;
use serde_json::Value;
use tower_service::Service;

use super::*;

async fn ask(routes: &mut Router, request: Request) -> (StatusCode, String) {
    let answer = routes.call(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn get(path: &str) -> Request {
    Request::get(path).header("x-seen", "yes").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (status, page) = ask(&mut routes(), get("/")).await;
    assert_eq!(status, StatusCode::OK);
    for foreign in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // What came through the tunnel is text, never markup.
    assert!(!page.contains("innerHTML"));
}

#[tokio::test]
async fn the_echo_tells_what_the_application_saw() {
    let request = Request::put("/echo?a=b").header("x-twice", "1").header("x-twice", "2");
    let (status, text) = ask(&mut routes(), request.body(Body::from("hello")).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let story: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(story["method"], "PUT");
    assert_eq!(story["target"], "/echo?a=b");
    assert_eq!(story["body"], "hello");
    assert_eq!(story["headers"], json!(["x-twice: 1", "x-twice: 2"]));
}

#[tokio::test]
async fn an_echo_of_too_much_is_refused() {
    let body = Body::from(vec![b'a'; ECHO_BYTES_MAX + 1]);
    let (status, _) = ask(&mut routes(), Request::post("/echo").body(body).unwrap()).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_page_is_told_of_earlier_and_later_requests_once_each() {
    let mut routes = routes();
    ask(&mut routes, get("/early")).await;
    let feed = routes.call(get("/events")).await.unwrap();
    ask(&mut routes, get("/late")).await;
    let mut feed = feed.into_body().into_data_stream();
    for (number, target) in [(1, "/early"), (2, "/late")] {
        let event = feed.next().await.unwrap().unwrap();
        let text = std::str::from_utf8(&event).unwrap().strip_prefix("data: ").unwrap();
        let exchange: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(exchange["number"], number);
        assert_eq!(exchange["target"], target);
        assert_eq!(exchange["status"], 404);
        assert_eq!(exchange["headers"], json!([["x-seen", "yes"]]));
    }
}

#[test]
fn history_is_bounded() {
    let stage = Stage { seen: Mutex::default(), news: Sender::new(1) };
    for _ in 0..3 * HISTORY {
        stage.note(|number| Exchange {
            number,
            time: 0,
            method: String::new(),
            target: String::new(),
            status: 200,
            milliseconds: 0.0,
            headers: Vec::new(),
        });
    }
    let (history, _news) = stage.watch();
    assert_eq!(history.len(), HISTORY);
    assert_eq!(history.back().unwrap().number, 3 * HISTORY as u64);
}

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::text::Named;
use super::{read, write};
use crate::error::{LeaveCode, Misbehaviour as M, ResetCode};
use crate::limits::{MESSAGE_BYTES_MAX, MOUNTS_MAX, TEXT_BYTES_MAX};
use crate::message::{Headers, RequestHead};
use crate::session::HEAD_BYTES_MAX;
use crate::wire::{Frame, Opening, RefusedCode, Setting, StreamId, opening_size};

fn frame(text: &str) -> Result<Frame, M> {
    read(text.as_bytes()).map(|(_, frame)| frame)
}

#[test]
fn members_come_in_any_order_and_those_that_nobody_knows_are_ignored() {
    let ping = Ok((3, Frame::Ping(7)));
    for text in [
        r#"{"type":"ping","data":{"number":7},"ack":3}"#,
        r#" { "ack" : 3, "data" : { "more": [1, {"a": null}], "number": 7 }, "type" : "ping", "later": {} } "#,
        r#"{"\u0074ype":"p\u0069ng","data":{"number":7},"ack":3}"#,
    ] {
        assert_eq!(read(text.as_bytes()), ping, "{text}");
    }
    for text in [r#"{"type":"ack"}"#, r#"{"type":"ack","data":null}"#, r#"{"type":"ack","data":{}}"#] {
        assert_eq!(read(text.as_bytes()), Ok((0, Frame::Ack)), "{text}");
    }
}

#[test]
fn what_is_not_one_sound_frame_is_refused() {
    for text in [
        "",
        "7",
        "[]",
        "{}",
        "null",
        r#"{"type":7}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","data":{"number":"7"}}"#,
        r#"{"type":"ping","data":{"number":7.5}}"#,
        r#"{"type":"ping","data":{"number":-7}}"#,
        r#"{"type":"ping","data":{"number":18446744073709551616}}"#,
        r#"{"type":"ping","data":{"number":7,"number":8}}"#,
        r#"{"type":"ping","type":"pong","data":{"number":7}}"#,
        r#"{"type":"ping","data":{"number":7}} {"type":"ack"}"#,
        r#"{"type":"ping","data":{"number":7}"#,
        r#"{"type":"stop","data":{"stream":2,"code":"bored"}}"#,
        r#"{"type":"error","data":{"stream":2,"code":"refused","touched":"maybe"}}"#,
        r#"{"type":"data","data":{"stream":2,"base64":"aGk"}}"#,
        r#"{"type":"data","data":{"stream":2,"base64":"aGl="}}"#,
        r#"{"type":"http_response","data":{"stream":2,"status":99}}"#,
        r#"{"type":"http_response","data":{"stream":2,"status":200,"reason":"Ł"}}"#,
        r#"{"type":"http_response","data":{"stream":2,"status":200,"headers":[["a"]]}}"#,
        r#"{"type":"http_response","data":{"stream":2,"status":200,"headers":[["a","b","c"]]}}"#,
        r#"{"type":"http_response","data":{"stream":2,"status":200,"headers":[["Content-Length","5"]]}}"#,
        r#"{"type":"http_response","data":{"stream":2,"status":200,"headers":[["a","b\r\nc: d"]]}}"#,
        r#"{"type":"end","data":{"stream":2,"trailers":[["Connection","x"]]}}"#,
        r#"{"type":"tcp_connect","data":{"stream":2,"grant":0,"mount":"tcp:22\n"}}"#,
    ] {
        assert_eq!(frame(text), Err(M::FrameMalformed), "{text}");
    }
    assert_eq!(read(b"{\"type\":\"ack\",\"note\":\"\xff\"}"), Err(M::FrameMalformed));
}

#[test]
fn a_name_that_nobody_knows_is_skipped_only_if_its_number_says_so() {
    assert_eq!(frame(r#"{"type":"news","number":70,"data":[1]}"#), Ok(Frame::Skipped { kind: 70 }));
    assert_eq!(frame(r#"{"type":"news","number":63}"#), Err(M::UnknownFrame));
    assert_eq!(frame(r#"{"type":"news"}"#), Err(M::UnknownFrame));
}

#[test]
fn a_hello_says_no_more_than_it_must() {
    let text = r#"{"type":"auth","data":{"token":"t","mounts":["/a"],"instance":"i","epoch":5,
        "settings":{"streams":9,"colour":7,"99":1}}}"#;
    let Ok(Frame::Hello(hello)) = frame(text) else { panic!("no hello") };
    assert!(hello.agent.is_empty() && hello.resume.is_none());
    assert_eq!(hello.settings.value(Setting::Streams), Some(9));
    assert_eq!(hello.settings.value(Setting::Resume), None);
    // A setting without a name here comes back under its number, and one without a number not at all.
    let again = String::from_utf8(write(0, &Frame::Hello(hello))).unwrap();
    assert!(again.contains(r#""settings":{"streams":9,"99":1}"#), "{again}");
}

#[test]
fn lists_are_bounded() {
    let fields = |count: usize| {
        let fields: Vec<&str> = (0..count).map(|_| r#"["a","b"]"#).collect();
        format!(r#"{{"type":"end","data":{{"stream":2,"trailers":[{}]}}}}"#, fields.join(","))
    };
    assert!(frame(&fields(256)).is_ok());
    assert_eq!(frame(&fields(257)), Err(M::FrameMalformed));
    let hello = |mounts: usize, settings: usize| {
        let mounts: Vec<&str> = (0..mounts).map(|_| r#""/a""#).collect();
        let settings: Vec<String> = (0..settings).map(|id| format!(r#""{id}":1"#)).collect();
        let (mounts, settings) = (mounts.join(","), settings.join(","));
        format!(
            r#"{{"type":"auth","data":{{"token":"t","instance":"i","epoch":5,"mounts":[{mounts}],"settings":{{{settings}}}}}}}"#
        )
    };
    assert!(frame(&hello(MOUNTS_MAX, 64)).is_ok());
    assert_eq!(frame(&hello(MOUNTS_MAX + 1, 0)), Err(M::FrameMalformed));
    assert_eq!(frame(&hello(0, 65)), Err(M::FrameMalformed));
}

#[test]
fn deep_nesting_takes_no_stack() {
    let deep = "[".repeat(TEXT_BYTES_MAX);
    assert_eq!(frame(&format!(r#"{{"type":"ack","x":{deep}"#)), Err(M::FrameMalformed));
    assert_eq!(frame(&format!(r#"{{"type":"ping","data":{deep}"#)), Err(M::FrameMalformed));
}

#[test]
fn every_frame_of_the_binary_profile_fits_a_text_message() {
    // Quotes take two octets in JSON, and so does obs-text in UTF-8.
    let mut headers = Headers::new();
    for _ in 0..255 {
        headers.push("a", [b'"'; 100]);
    }
    let head = |headers: Headers| RequestHead {
        method: Bytes::from_static(b"GET"),
        target: Bytes::from_static(b"/\"\\\"\\"),
        headers,
        length: Some(u64::MAX),
        upgrade: None,
        wants_trailers: true,
    };
    let opening = |headers| Opening::Http { mount: Bytes::from_static(b"/api"), head: head(headers) };
    let rest = HEAD_BYTES_MAX - opening_size(&opening(headers.clone())) - 5;
    headers.push("b", alloc::vec![0x80; rest]);
    let opening = opening(headers);
    assert_eq!(opening_size(&opening), HEAD_BYTES_MAX);
    let id = StreamId::new(u64::MAX);
    let largest = Frame::Open { id, grant: u64::MAX, end: false, opening };
    assert!(write(u64::MAX, &largest).len() <= TEXT_BYTES_MAX);
    let data = Frame::Data { id, octets: alloc::vec![0xff; MESSAGE_BYTES_MAX].into() };
    assert!(write(u64::MAX, &data).len() <= TEXT_BYTES_MAX);
}

/// The names of all codes are those that `Debug` shows, and no code is without one.
fn check_names<T: Named + core::fmt::Debug>() {
    let shown = |number: usize| format!("{:?}", T::of(number as u64)).to_lowercase();
    let names: Vec<String> = (0..).map(shown).take_while(|name| !name.starts_with("other")).collect();
    assert_eq!(names, T::NAMES);
}

#[test]
fn every_code_has_a_name() {
    check_names::<ResetCode>();
    check_names::<LeaveCode>();
    check_names::<RefusedCode>();
}

#[test]
fn codes_without_a_name_and_names_by_number_are_read() {
    let stop = |code: &str| frame(&format!(r#"{{"type":"stop","data":{{"stream":2,"code":{code}}}}}"#));
    let stopped = |code| Ok(Frame::Stop { id: StreamId::new(2), code });
    assert_eq!(stop("300"), stopped(ResetCode::Other(300)));
    assert_eq!(stop("2"), stopped(ResetCode::TimedOut));
    assert_eq!(stop(r#""timedout""#), stopped(ResetCode::TimedOut));
}

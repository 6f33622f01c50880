//! Texts of the JSON profile that our own writer would not write.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::victim::{plugboard, telephone};
use super::{Script, script};
use crate::error::Misbehaviour as M;
use crate::limits::TEXT_BYTES_MAX;

pub(super) fn scripts() -> Vec<Script> {
    [texts(), members(), numbers(), strings(), fields(), unknown()].into_iter().flatten().collect()
}

fn malformed(name: &'static str, text: impl Into<Vec<u8>>) -> Script {
    script(name, telephone).text(text).misbehaves(M::FrameMalformed)
}

/// An answer to stream 2 with these further members.
fn answer(members: &str) -> String {
    format!(r#"{{"type":"http_response","data":{{"stream":2,"end":true,"status":200{members}}}}}"#)
}

fn texts() -> Vec<Script> {
    let ping = r#"{"type":"ping","data":{"number":5}}"#;
    vec![
        malformed("JSON: an empty text", ""),
        malformed("JSON: an array", format!("[{ping}]")),
        malformed("JSON: null", "null"),
        malformed("JSON: a string", "\"ping\""),
        malformed("JSON: two objects", format!("{ping}{ping}")),
        malformed("JSON: a comma behind the object", format!("{ping},")),
        malformed("JSON: a comma behind the last member", r#"{"type":"ping","data":{"number":5,}}"#),
        malformed("JSON: a comment", format!("{ping}//")),
        malformed("JSON: a byte order mark", format!("\u{feff}{ping}")),
        malformed("JSON: single quotes", "{'type':'ping'}"),
        malformed("JSON: half an object", r#"{"type":"ping","data":{"#),
        malformed("JSON: bytes that are no UTF-8", [ping.as_bytes(), b"\xff"].concat()),
        malformed("JSON: UTF-16", b"{\0\"\0t\0".to_vec()),
        malformed("JSON: NUL behind the object", format!("{ping}\0")),
        malformed("JSON: nested beyond any use", format!(r#"{{"type":"ping","x":{}"#, "[".repeat(60_000))),
        script("JSON: a text that is too long", telephone)
            .text(format!(r#"{{"type":"ping","x":"{}"}}"#, "x".repeat(TEXT_BYTES_MAX)))
            .misbehaves(M::MessageSize),
        script("JSON: white space around the object", telephone).text(format!(" \r\n\t{ping}\n")),
    ]
}

fn members() -> Vec<Script> {
    vec![
        malformed("JSON: no type", r#"{"data":{"number":5}}"#),
        malformed("JSON: a type twice", r#"{"type":"ping","type":"pong","data":{"number":5}}"#),
        malformed("JSON: data twice", r#"{"type":"ping","data":{"number":5},"data":{"number":6}}"#),
        malformed("JSON: a number twice in the data", r#"{"type":"ping","data":{"number":5,"number":6}}"#),
        malformed("JSON: no data where some is due", r#"{"type":"ping"}"#),
        malformed("JSON: null for data", r#"{"type":"ping","data":null}"#),
        malformed("JSON: data as a string", r#"{"type":"ping","data":"{\"number\":5}"}"#),
        malformed("JSON: data without a stream", r#"{"type":"data","data":{"base64":"aGk="}}"#),
        malformed("JSON: a type that is a number", r#"{"type":11,"data":{"number":5}}"#),
        script("JSON: members that nobody knows", telephone)
            .text(r#"{"type":"ping","data":{"number":5,"x":[{}]},"y":null}"#),
        script("JSON: a type with an escape", telephone).text(r#"{"type":"p\u0069ng","data":{"number":5}}"#),
    ]
}

fn numbers() -> Vec<Script> {
    let number =
        |name, number: &str| malformed(name, format!(r#"{{"type":"ping","data":{{"number":{number}}}}}"#));
    vec![
        number("JSON: a negative number", "-1"),
        number("JSON: a number with a fraction", "1.0"),
        number("JSON: a number with an exponent", "1e1"),
        number("JSON: a number beyond 64 bits", "18446744073709551616"),
        number("JSON: a number with a leading zero", "01"),
        number("JSON: a number in hexadecimal", "0x5"),
        number("JSON: a number as a string", "\"5\""),
        number("JSON: no number", "NaN"),
        malformed("JSON: a negative acknowledgement", r#"{"type":"ack","ack":-1}"#),
        malformed("JSON: an acknowledgement as a string", r#"{"type":"ack","ack":"0"}"#),
        script("JSON: an acknowledgement ahead", telephone)
            .text(r#"{"type":"ack","ack":18446744073709551615}"#)
            .misbehaves(M::AckAhead),
        malformed("JSON: a status beyond 16 bits", answer("").replace("200", "65736")),
        malformed("JSON: a flag that is a number", answer("").replace("true", "1")),
        malformed("JSON: a flag that is a string", answer("").replace("true", "\"true\"")),
    ]
}

fn strings() -> Vec<Script> {
    let opened = r#"{"type":"tcp_connect","data":{"stream":2,"grant":0,"mount":"tcp:22"}}"#;
    let body = |name, base64: &str| {
        let text = format!(r#"{{"type":"data","data":{{"stream":2,"base64":"{base64}"}}}}"#);
        script(name, telephone).text(opened).text(text).misbehaves(M::FrameMalformed)
    };
    vec![
        body("JSON: base64 without its padding", "aGk"),
        body("JSON: base64 with too much padding", "aGk=="),
        body("JSON: base64 with bits behind its end", "aGl="),
        body("JSON: base64 of URLs", "_-8="),
        body("JSON: base64 with a line end", "aGk=\\n"),
        body("JSON: base64 with a space", "aG k="),
        body("JSON: base64 behind its padding", "aGk=aGk="),
        malformed(
            "JSON: an address that is none",
            opened.replace("\"tcp:22\"", "\"tcp:22\",\"from\":\"a:1\""),
        ),
        malformed("JSON: a mount beyond Latin-1", opened.replace("tcp:22", "/\u{100}")),
        malformed("JSON: a mount with a line end", opened.replace("tcp:22", "/\\r\\n")),
        script("JSON: a mount in Latin-1", telephone).text(opened.replace("tcp:22", "/\u{e4}")),
    ]
}

fn fields() -> Vec<Script> {
    let answers =
        |name, members: &str| script(name, plugboard).text(answer(members)).misbehaves(M::FrameMalformed);
    let many = format!(r#","headers":[{}]"#, [r#"["X",""]"#; 257].join(","));
    vec![
        answers("JSON: a value with an escaped line end", r#","headers":[["X","y\r\nZ: a"]]"#),
        answers("JSON: a value with an escaped NUL", r#","headers":[["X","\u0000"]]"#),
        answers("JSON: a value beyond Latin-1", r#","headers":[["X","\u560d\u560a"]]"#),
        answers("JSON: half a surrogate pair", r#","headers":[["X","\ud800"]]"#),
        answers("JSON: a surrogate pair", r#","headers":[["X","\ud83d\ude00"]]"#),
        answers("JSON: fields as an object", r#","headers":{"X":"y"}"#),
        answers("JSON: a field of one text", r#","headers":[["X"]]"#),
        answers("JSON: a field of three texts", r#","headers":[["X","y","z"]]"#),
        answers("JSON: a value that is a number", r#","headers":[["X",5]]"#),
        answers("JSON: 257 fields", &many),
        answers("JSON: a length among the fields", r#","headers":[["Content-Length","5"]]"#),
        answers("JSON: a name with an escaped colon", r#","headers":[["X\u003a","y"]]"#),
        answers("JSON: a reason with an escaped line end", r#","reason":"OK\nX: y""#),
        answers("JSON: an upgrade to HTTP itself", r#","upgrade":"h2c""#),
    ]
}

fn unknown() -> Vec<Script> {
    let unknown = |name, text: &str| script(name, telephone).text(text).misbehaves(M::UnknownFrame);
    vec![
        unknown("JSON: a type of no name", r#"{"type":""}"#),
        unknown("JSON: a type in capital letters", r#"{"type":"PING","data":{"number":5}}"#),
        unknown("JSON: a type with a space", r#"{"type":"ping ","data":{"number":5}}"#),
        unknown("JSON: an unknown type of a critical number", r#"{"type":"x","number":63}"#),
        script("JSON: an unknown type of a skippable number", telephone).text(r#"{"type":"x","number":64}"#),
        script("JSON: an unknown type of any data", telephone)
            .text(r#"{"type":"x","number":99,"data":[1e999]}"#),
        malformed("JSON: a code that is no code", r#"{"type":"leave","data":{"code":[],"last":0}}"#),
        script("JSON: a touched that is none", plugboard)
            .text(r#"{"type":"error","data":{"stream":2,"code":"cancelled","touched":"maybe"}}"#)
            .misbehaves(M::FrameMalformed),
        script("JSON: a reset without touched", plugboard)
            .text(r#"{"type":"error","data":{"stream":2,"code":"cancelled"}}"#)
            .misbehaves(M::FrameMalformed),
        script("JSON: a binary message", telephone)
            .text(b"\0\x0b\x01\x05".to_vec())
            .misbehaves(M::FrameMalformed),
        script("a text on the binary profile", telephone)
            .raw(br#"{"type":"ping","data":{"number":5}}"#.to_vec())
            .misbehaves(M::AckAhead),
    ]
}

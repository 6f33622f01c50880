//! Messages of the JSON profile.

use telephone_core::error::Misbehaviour as M;
use telephone_core::wire::Profile;

use super::End::{Plugboard, Telephone};
use super::{Row, hold};

const SOUND: &str = r#""token":"a.b.c","mounts":["/api"],"instance":"one","epoch":5"#;

fn auth(data: &str) -> Vec<u8> {
    format!(r#"{{"type":"auth","data":{{{data}}}}}"#).into_bytes()
}

/// A sound hello with one more member.
fn and(member: &str) -> Vec<u8> {
    auth(&format!("{SOUND},{member}"))
}

/// A sound hello with another text in the place of one.
fn but(old: &str, new: &str) -> Vec<u8> {
    let changed = SOUND.replace(old, new);
    assert_ne!(changed, SOUND, "{old}");
    auth(&changed)
}

fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn to_the_plugboard() -> Vec<Row> {
    let mounts = |count: usize| but(r#"["/api"]"#, &format!("[{}]", vec![r#""/""#; count].join(",")));
    let settings = |count: usize| {
        let pairs: Vec<_> = (0..count).map(|at| format!(r#""{}":1"#, at + 100)).collect();
        and(&format!(r#""settings":{{{}}}"#, pairs.join(",")))
    };
    let nested = |depth: usize| and(&format!(r#""more":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    let resume = |secret: &str| and(&format!(r#""resume":{{"session":7,"secret":"{secret}","position":3}}"#));
    vec![
        ("a hello", Plugboard, auth(SOUND), Ok("hello")),
        ("a hello and white space", Plugboard, [raw(" \n"), auth(SOUND), raw("\t ")].concat(), Ok("hello")),
        ("a member that nobody knows", Plugboard, and(r#""colour":"red""#), Ok("hello")),
        ("a hello to go on", Plugboard, resume("MDEyMzQ1Njc4OWFiY2RlZg=="), Ok("hello")),
        ("64 mounts", Plugboard, mounts(64), Ok("hello")),
        ("an epoch of 2^64-1", Plugboard, but("\"epoch\":5", "\"epoch\":18446744073709551615"), Ok("hello")),
        ("an escaped token", Plugboard, but("a.b.c", "a\\u002eb.c"), Ok("hello")),
        (
            "an ack of 0",
            Plugboard,
            raw(&format!(r#"{{"ack":0,"type":"auth","data":{{{SOUND}}}}}"#)),
            Ok("hello"),
        ),
        ("nothing", Plugboard, vec![], Err(M::FrameMalformed)),
        ("no object", Plugboard, raw("7"), Err(M::FrameMalformed)),
        ("an empty object", Plugboard, raw("{}"), Err(M::FrameMalformed)),
        ("an object that does not end", Plugboard, raw(r#"{"type":"auth","data":{"#), Err(M::FrameMalformed)),
        ("two objects", Plugboard, [auth(SOUND), auth(SOUND)].concat(), Err(M::FrameMalformed)),
        ("octets behind the object", Plugboard, [auth(SOUND), raw("x")].concat(), Err(M::FrameMalformed)),
        ("a NUL behind the object", Plugboard, [auth(SOUND), vec![0]].concat(), Err(M::FrameMalformed)),
        ("a byte-order mark", Plugboard, [raw("\u{FEFF}"), auth(SOUND)].concat(), Err(M::FrameMalformed)),
        ("no UTF-8", Plugboard, [auth(SOUND), vec![0xFF]].concat(), Err(M::FrameMalformed)),
        (
            "UTF-16",
            Plugboard,
            String::from_utf8(auth(SOUND)).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Err(M::FrameMalformed),
        ),
        ("a lone surrogate", Plugboard, but("a.b.c", "\\ud800"), Err(M::FrameMalformed)),
        ("a control character in a text", Plugboard, but("a.b.c", "a\nb"), Err(M::FrameMalformed)),
        ("a comment", Plugboard, [raw("/* */"), auth(SOUND)].concat(), Err(M::FrameMalformed)),
        ("single quotes", Plugboard, raw("{'type':'auth'}"), Err(M::FrameMalformed)),
        ("a comma too many", Plugboard, but("\"epoch\":5", "\"epoch\":5,"), Err(M::FrameMalformed)),
        ("a type that is a number", Plugboard, raw(r#"{"type":0,"data":{}}"#), Err(M::FrameMalformed)),
        (
            "a type twice",
            Plugboard,
            raw(&format!(r#"{{"type":"ping","type":"auth","data":{{{SOUND}}}}}"#)),
            Err(M::FrameMalformed),
        ),
        (
            "data twice",
            Plugboard,
            raw(&format!(r#"{{"type":"auth","data":{{}},"data":{{{SOUND}}}}}"#)),
            Err(M::FrameMalformed),
        ),
        ("a token twice", Plugboard, and(r#""token":"other""#), Err(M::FrameMalformed)),
        ("mounts twice", Plugboard, and(r#""mounts":["/"]"#), Err(M::FrameMalformed)),
        ("an unknown type", Plugboard, raw(r#"{"type":"hello"}"#), Err(M::UnknownFrame)),
        (
            "a type of another case",
            Plugboard,
            raw(&format!(r#"{{"type":"Auth","data":{{{SOUND}}}}}"#)),
            Err(M::UnknownFrame),
        ),
        (
            "an unknown type that is critical",
            Plugboard,
            raw(r#"{"type":"news","number":63}"#),
            Err(M::UnknownFrame),
        ),
        (
            "an unknown type to skip",
            Plugboard,
            raw(r#"{"type":"news","number":70}"#),
            Err(M::FrameOutOfPlace),
        ),
        ("a number below 0", Plugboard, raw(r#"{"type":"news","number":-1}"#), Err(M::FrameMalformed)),
        (
            "an ack of 1",
            Plugboard,
            raw(&format!(r#"{{"ack":1,"type":"auth","data":{{{SOUND}}}}}"#)),
            Err(M::AckAhead),
        ),
        (
            "an ack that is no number",
            Plugboard,
            raw(r#"{"ack":"0","type":"auth","data":{}}"#),
            Err(M::FrameMalformed),
        ),
        ("a hello without data", Plugboard, raw(r#"{"type":"auth"}"#), Err(M::FrameMalformed)),
        ("data that are null", Plugboard, raw(r#"{"type":"auth","data":null}"#), Err(M::FrameMalformed)),
        ("data that are a list", Plugboard, raw(r#"{"type":"auth","data":[[]]}"#), Err(M::FrameMalformed)),
        (
            "a hello without a token",
            Plugboard,
            auth(r#""mounts":["/"],"instance":"one","epoch":5"#),
            Err(M::FrameMalformed),
        ),
        ("a token that is null", Plugboard, but("\"a.b.c\"", "null"), Err(M::FrameMalformed)),
        ("a token that is a number", Plugboard, but("\"a.b.c\"", "7"), Err(M::FrameMalformed)),
        ("mounts that are a text", Plugboard, but(r#"["/api"]"#, r#""/api""#), Err(M::FrameMalformed)),
        ("a mount that is a number", Plugboard, but("\"/api\"", "7"), Err(M::FrameMalformed)),
        ("65 mounts", Plugboard, mounts(65), Err(M::FrameMalformed)),
        ("3,000 mounts", Plugboard, mounts(3_000), Err(M::FrameMalformed)),
        ("an epoch below 0", Plugboard, but("\"epoch\":5", "\"epoch\":-5"), Err(M::FrameMalformed)),
        ("an epoch with a point", Plugboard, but("\"epoch\":5", "\"epoch\":5.0"), Err(M::FrameMalformed)),
        (
            "an epoch with an exponent",
            Plugboard,
            but("\"epoch\":5", "\"epoch\":1e999"),
            Err(M::FrameMalformed),
        ),
        (
            "an epoch of 2^64",
            Plugboard,
            but("\"epoch\":5", "\"epoch\":18446744073709551616"),
            Err(M::FrameMalformed),
        ),
        ("an epoch that is a text", Plugboard, but("\"epoch\":5", "\"epoch\":\"5\""), Err(M::FrameMalformed)),
        ("65 settings", Plugboard, settings(65), Err(M::FrameMalformed)),
        (
            "a setting that is a text",
            Plugboard,
            and(r#""settings":{"streams":"many"}"#),
            Err(M::FrameMalformed),
        ),
        ("settings that are a text", Plugboard, and(r#""settings":"many""#), Err(M::FrameMalformed)),
        ("a resume that is a number", Plugboard, and(r#""resume":7"#), Err(M::FrameMalformed)),
        ("a resume secret of 15 octets", Plugboard, resume("MDEyMzQ1Njc4OWFiY2Rl"), Err(M::FrameMalformed)),
        (
            "a resume secret without padding",
            Plugboard,
            resume("MDEyMzQ1Njc4OWFiY2RlZg"),
            Err(M::FrameMalformed),
        ),
        (
            "a resume secret that is no base64",
            Plugboard,
            resume("MDEyMzQ1Njc4OWFiY2R*Zg=="),
            Err(M::FrameMalformed),
        ),
        ("4,000 lists in each other that nobody knows", Plugboard, nested(4_000), Ok("hello")),
        ("4,000 lists for mounts", Plugboard, but(r#"["/api"]"#, &"[".repeat(4_000)), Err(M::FrameMalformed)),
        ("4,000 lists alone", Plugboard, raw(&"[".repeat(4_000)), Err(M::FrameMalformed)),
        ("a ping", Plugboard, raw(r#"{"type":"ping","data":{"number":1}}"#), Err(M::FrameOutOfPlace)),
        ("an ack", Plugboard, raw(r#"{"type":"ack"}"#), Err(M::FrameOutOfPlace)),
        (
            "a renewal",
            Plugboard,
            raw(r#"{"type":"renew","data":{"token":"a.b.c"}}"#),
            Err(M::FrameOutOfPlace),
        ),
        (
            "a refusal",
            Plugboard,
            raw(r#"{"type":"auth_error","data":{"code":"busy","reason":""}}"#),
            Err(M::FrameOutOfPlace),
        ),
        ("a message past 16 KiB", Plugboard, but("a.b.c", &"t".repeat(16_384)), Err(M::MessageSize)),
        (
            "white space past 16 KiB",
            Plugboard,
            [auth(SOUND), vec![b' '; 16_384]].concat(),
            Err(M::MessageSize),
        ),
    ]
}

fn to_the_telephone() -> Vec<Row> {
    let refused = |data: &str| raw(&format!(r#"{{"type":"auth_error","data":{{{data}}}}}"#));
    vec![
        ("a refusal", Telephone, refused(r#""code":"busy","reason":"no","retry_after_ms":7"#), Ok("refused")),
        ("a refusal of an unknown code", Telephone, refused(r#""code":4711,"reason":"no""#), Ok("refused")),
        (
            "a refusal of an unknown name",
            Telephone,
            refused(r#""code":"tired","reason":"no""#),
            Err(M::FrameMalformed),
        ),
        ("a refusal without a code", Telephone, refused(r#""reason":"no""#), Err(M::FrameMalformed)),
        (
            "a wait below 0",
            Telephone,
            refused(r#""code":"busy","reason":"no","retry_after_ms":-7"#),
            Err(M::FrameMalformed),
        ),
        ("a hello", Telephone, auth(SOUND), Err(M::FrameOutOfPlace)),
        ("a request", Telephone, raw(r#"{"type":"ping","data":{"number":1}}"#), Err(M::FrameOutOfPlace)),
        ("a welcome without data", Telephone, raw(r#"{"type":"auth_success"}"#), Err(M::FrameMalformed)),
        ("nothing", Telephone, vec![], Err(M::FrameMalformed)),
        (
            "a reason past 16 KiB",
            Telephone,
            refused(&format!(r#""code":"busy","reason":"{}""#, "n".repeat(16_384))),
            Err(M::MessageSize),
        ),
    ]
}

#[test]
fn each_text_message_of_a_stranger_has_its_verdict() {
    hold(Profile::Json, [to_the_plugboard(), to_the_telephone()].concat(), 70);
}

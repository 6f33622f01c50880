//! Messages of the JSON profile.

use telephone_core::error::Misbehaviour as M;
use telephone_core::wire::Profile;

use super::End::{Plugboard, Telephone};
use super::{Message, Row, hold, rows};

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

fn mounts(count: usize) -> Vec<u8> {
    but(r#"["/api"]"#, &format!("[{}]", vec![r#""/""#; count].join(",")))
}

fn settings(count: usize) -> Vec<u8> {
    let pairs: Vec<_> = (0..count).map(|at| format!(r#""{}":1"#, at + 100)).collect();
    and(&format!(r#""settings":{{{}}}"#, pairs.join(",")))
}

fn resume(secret: &str) -> Vec<u8> {
    and(&format!(r#""resume":{{"session":7,"secret":"{secret}","position":3}}"#))
}

fn refused(data: &str) -> Vec<u8> {
    raw(&format!(r#"{{"type":"auth_error","data":{{{data}}}}}"#))
}

fn sound_hellos() -> Vec<Message> {
    vec![
        ("a hello", auth(SOUND)),
        ("a hello and white space", [raw(" \n"), auth(SOUND), raw("\t ")].concat()),
        ("a member that nobody knows", and(r#""colour":"red""#)),
        ("a hello to go on", resume("MDEyMzQ1Njc4OWFiY2RlZg==")),
        ("64 mounts", mounts(64)),
        ("an epoch of 2^64-1", but("\"epoch\":5", "\"epoch\":18446744073709551615")),
        ("an escaped token", but("a.b.c", "a\\u002eb.c")),
        ("an ack of 0", raw(&format!(r#"{{"ack":0,"type":"auth","data":{{{SOUND}}}}}"#))),
        (
            "4,000 lists in each other that nobody knows",
            and(&format!(r#""more":{}{}"#, "[".repeat(4_000), "]".repeat(4_000))),
        ),
    ]
}

fn malformed_1() -> Vec<Message> {
    vec![
        ("nothing", vec![]),
        ("no object", raw("7")),
        ("an empty object", raw("{}")),
        ("an object that does not end", raw(r#"{"type":"auth","data":{"#)),
        ("two objects", [auth(SOUND), auth(SOUND)].concat()),
        ("octets behind the object", [auth(SOUND), raw("x")].concat()),
        ("a NUL behind the object", [auth(SOUND), vec![0]].concat()),
        ("a byte-order mark", [raw("\u{FEFF}"), auth(SOUND)].concat()),
        ("no UTF-8", [auth(SOUND), vec![0xFF]].concat()),
        (
            "UTF-16",
            String::from_utf8(auth(SOUND)).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("a lone surrogate", but("a.b.c", "\\ud800")),
        ("a control character in a text", but("a.b.c", "a\nb")),
    ]
}

fn malformed_2() -> Vec<Message> {
    vec![
        ("a comment", [raw("/* */"), auth(SOUND)].concat()),
        ("single quotes", raw("{'type':'auth'}")),
        ("a comma too many", but("\"epoch\":5", "\"epoch\":5,")),
        ("a type that is a number", raw(r#"{"type":0,"data":{}}"#)),
        ("a type twice", raw(&format!(r#"{{"type":"ping","type":"auth","data":{{{SOUND}}}}}"#))),
        ("data twice", raw(&format!(r#"{{"type":"auth","data":{{}},"data":{{{SOUND}}}}}"#))),
        ("a token twice", and(r#""token":"other""#)),
        ("mounts twice", and(r#""mounts":["/"]"#)),
        ("a number below 0", raw(r#"{"type":"news","number":-1}"#)),
        ("an ack that is no number", raw(r#"{"ack":"0","type":"auth","data":{}}"#)),
        ("a hello without data", raw(r#"{"type":"auth"}"#)),
        ("data that are null", raw(r#"{"type":"auth","data":null}"#)),
    ]
}

fn malformed_3() -> Vec<Message> {
    vec![
        ("data that are a list", raw(r#"{"type":"auth","data":[[]]}"#)),
        ("a hello without a token", auth(r#""mounts":["/"],"instance":"one","epoch":5"#)),
        ("a token that is null", but("\"a.b.c\"", "null")),
        ("a token that is a number", but("\"a.b.c\"", "7")),
        ("mounts that are a text", but(r#"["/api"]"#, r#""/api""#)),
        ("a mount that is a number", but("\"/api\"", "7")),
        ("65 mounts", mounts(65)),
        ("3,000 mounts", mounts(3_000)),
        ("an epoch below 0", but("\"epoch\":5", "\"epoch\":-5")),
        ("an epoch with a point", but("\"epoch\":5", "\"epoch\":5.0")),
        ("an epoch with an exponent", but("\"epoch\":5", "\"epoch\":1e999")),
        ("an epoch of 2^64", but("\"epoch\":5", "\"epoch\":18446744073709551616")),
    ]
}

fn malformed_4() -> Vec<Message> {
    vec![
        ("an epoch that is a text", but("\"epoch\":5", "\"epoch\":\"5\"")),
        ("65 settings", settings(65)),
        ("a setting that is a text", and(r#""settings":{"streams":"many"}"#)),
        ("settings that are a text", and(r#""settings":"many""#)),
        ("a resume that is a number", and(r#""resume":7"#)),
        ("a resume secret of 15 octets", resume("MDEyMzQ1Njc4OWFiY2Rl")),
        ("a resume secret without padding", resume("MDEyMzQ1Njc4OWFiY2RlZg")),
        ("a resume secret that is no base64", resume("MDEyMzQ1Njc4OWFiY2R*Zg==")),
        ("4,000 lists for mounts", but(r#"["/api"]"#, &"[".repeat(4_000))),
        ("4,000 lists alone", raw(&"[".repeat(4_000))),
    ]
}

fn others_to_the_plugboard() -> Vec<Row> {
    vec![
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
        (
            "an ack of 1",
            Plugboard,
            raw(&format!(r#"{{"ack":1,"type":"auth","data":{{{SOUND}}}}}"#)),
            Err(M::AckAhead),
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

fn others_to_the_telephone() -> Vec<Row> {
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
        ("a welcome without data", Telephone, raw(r#"{"type":"auth_success"}"#), Err(M::FrameMalformed)),
        ("nothing", Telephone, vec![], Err(M::FrameMalformed)),
        ("a hello", Telephone, auth(SOUND), Err(M::FrameOutOfPlace)),
        ("a request", Telephone, raw(r#"{"type":"ping","data":{"number":1}}"#), Err(M::FrameOutOfPlace)),
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
    let rows = [
        rows(Plugboard, Ok("hello"), sound_hellos()),
        rows(Plugboard, Err(M::FrameMalformed), malformed_1()),
        rows(Plugboard, Err(M::FrameMalformed), malformed_2()),
        rows(Plugboard, Err(M::FrameMalformed), malformed_3()),
        rows(Plugboard, Err(M::FrameMalformed), malformed_4()),
        others_to_the_plugboard(),
        others_to_the_telephone(),
    ];
    hold(Profile::Json, rows.concat(), 70);
}

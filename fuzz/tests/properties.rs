//! The targets over inputs that proptest builds from the dictionaries: pieces of a grammar in any order reach what
//! single octets seldom do, and what fails is shrunk.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use proptest::collection::vec;
use proptest::prelude::*;
use telephone_fuzz::Target;

/// Some targets measure the memory of the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn run(target: Target, input: &[u8]) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    target(input);
}

/// The entries of a dictionary: a quoted piece a line, with `\xNN` for what is not printed.
fn dictionary(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dict").join(name).with_extension("dict");
    let text = fs::read_to_string(path).expect("a dictionary");
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unescaped).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        octets.push(u8::from_str_radix(digits, 16).expect("two digits"));
        octets.extend_from_slice(rest.as_bytes());
    }
    octets
}

/// Pieces of a dictionary, and now and then an octet of any kind, behind one of `starts`.
fn pieces(name: &str, starts: &[&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let starts: Vec<Vec<u8>> = starts.iter().map(|start| start.as_bytes().to_vec()).collect();
    let entry = proptest::sample::select(dictionary(name));
    let piece = prop_oneof![9 => entry, 1 => vec(any::<u8>(), 1..3)];
    (proptest::sample::select(starts), vec(piece, 0..12))
        .prop_map(|(start, pieces)| [start, pieces.concat()].concat())
}

const REQUESTS: [&str; 5] = [
    "",
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "GET / HTTP/1.0\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
];
const RESPONSES: [&str; 5] = [
    "\u{0}",
    "\u{1}HTTP/1.1 200 OK\r\n",
    "\u{2}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    "\u{3}HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n",
    "\u{4}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn frames_in_any_order_decode_canonically_or_not_at_all(input in pieces("frame_decode", &["", "\u{0}"])) {
        run(telephone_fuzz::frame_decode, &input);
    }

    #[test]
    fn texts_mean_the_same_in_both_profiles_or_nothing(
        input in pieces("json_decode", &["", "{", "{\"type\":\"http_response\",\"data\":{\"stream\":2,"]),
    ) {
        run(telephone_fuzz::json_decode, &input);
    }

    #[test]
    fn whatever_frames_say_they_come_back(input in vec(any::<u8>(), 0..600)) {
        run(telephone_fuzz::frame_round_trip, &input);
    }

    #[test]
    fn request_heads_are_judged_as_by_a_strict_reader(input in pieces("request_head", &REQUESTS)) {
        run(telephone_fuzz::request_head, &input);
    }

    #[test]
    fn chunks_are_decoded_as_by_a_slow_reader(input in pieces("chunked_body", &["", "5\r\nhello\r\n", "0\r\n"])) {
        run(telephone_fuzz::chunked_body, &input);
    }

    #[test]
    fn what_is_accepted_passes_on_as_one_request(input in pieces("proxy_transform", &REQUESTS)) {
        run(telephone_fuzz::proxy_transform, &input);
    }

    #[test]
    fn responses_are_judged_as_by_a_strict_reader(input in pieces("response", &RESPONSES)) {
        run(telephone_fuzz::response, &input);
    }

    #[test]
    fn targets_are_normalised_as_by_a_slow_reader(input in pieces("target", &["/", "/api", "/api/v1/x"])) {
        run(telephone_fuzz::target, &input);
    }

    #[test]
    fn two_honest_ends_keep_the_laws(input in vec(any::<u8>(), 0..300)) {
        run(telephone_fuzz::session_pair, &input);
    }

    #[test]
    fn one_honest_end_keeps_the_laws(input in vec(any::<u8>(), 0..600)) {
        run(telephone_fuzz::session_hostile, &input);
    }
}

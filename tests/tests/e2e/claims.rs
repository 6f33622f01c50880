//! What tokens claim, and what they take from others of their subject.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::jwt;
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::process::Plan;
use telephone_tests::puppet::Puppet;
use telephone_tests::relay::Relay;
use telephone_tests::wait::{self, PATIENCE};

fn millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("before the year 500 million")
}

/// Claims that are larger than they look, and what they would have been.
const GROWING: &[(&str, &str)] = &[
    ("/u/..", "/"),
    ("/u/../bank", "/bank"),
    ("/u/%2e%2e", "/"),
    ("/u/.%2E/bank", "/bank"),
    ("/u/.", "/u"),
    ("/u//v", "/u/v"),
    ("victim.example/u/..", "victim.example/"),
];

#[test]
fn a_token_whose_claim_covers_more_than_its_text_is_refused_as_a_whole() {
    let relay = Relay::start();
    for (claim, canonical) in GROWING {
        let claims = json!({"sub": "tester", "exp": millis() / 1000 + 60, "mounts": ["/mine", claim]});
        let token = jwt::sign(relay.secret(), &claims);
        for mount in ["/bank", "/u", "/mine", "victim.example/"] {
            let refused = Puppet::register(&relay, &token, &[mount], 1).expect_err("a claim that grows");
            let said = refused.to_string();
            assert_eq!(refused["code"], "forbidden", "{claim}: {said}");
            let is_named = said.contains("`mounts`") && said.contains(claim) && said.contains(canonical);
            assert!(is_named, "{claim} is not named as {canonical}: {said}");
        }
    }
    let good = json!({"sub": "tester", "exp": millis() / 1000 + 60, "mounts": ["/mine", "/U/%75/"]});
    let token = jwt::sign(relay.secret(), &good);
    assert!(Puppet::register(&relay, &token, &["/mine", "/U/u"], 1).is_ok(), "the test's own tokens are bad");
}

#[test]
fn a_hello_with_a_growing_mount_is_refused_and_names_its_canonical_form() {
    let relay = Relay::start();
    let token = relay.token(&["/", "victim.example/"]);
    for (mount, canonical) in GROWING {
        let refused = Puppet::register(&relay, &token, &[mount], 1).expect_err("a mount that grows");
        let said = refused["reason"].as_str().unwrap_or_default().to_owned();
        assert_eq!(refused["code"], "malformed", "{mount}: {said}");
        assert!(said.contains(mount) && said.contains(&format!("{canonical:?}")), "{mount}: {said}");
    }
}

#[test]
fn plugboard_token_and_the_telephone_refuse_a_growing_mount_with_exit_code_2() {
    let relay = Relay::start();
    let secret = relay.secret_file();
    for (mount, canonical) in GROWING {
        let sign = Plan::new(bins::path("plugboard")).arg("token").arg("--secret-file").arg(&secret);
        let finished = sign.args(["--mount", "/mine", "--mount", mount]).finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{mount}");
        assert!(finished.stderr.contains(&format!("{canonical:?}")), "{mount}: {}", finished.stderr);
    }
    both_programs(|program| {
        for (mount, canonical) in GROWING {
            let dial = ["--plugboard", "ws://127.0.0.1:1", "--port", "1", "--token-file", "/dev/null"];
            let finished = program.plan().args(dial).args(["--mount", mount]).finish();
            assert_eq!(finished.code, Some(2), "{mount}: {}", finished.stderr);
            assert!(finished.stderr.contains(&format!("{canonical:?}")), "{mount}: {}", finished.stderr);
        }
    });
}

#[test]
fn a_newer_session_takes_only_the_mounts_that_its_token_claims() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let token = relay.token(&["/bank", "/shop"]);
        let dial = program.dial(&relay).token(&token).mount("/bank").mount("/shop").backend(&origin.url());
        let telephone = dial.args(&["--instance", "puppet"]).ready();
        let other = relay.token(&["/other"]);
        let _other = Puppet::register(&relay, &other, &["/other"], millis() + 60_000).expect("its own mount");
        assert_eq!(
            (get(relay.addr(), "/bank/x").status(), get(relay.addr(), "/shop/x").status()),
            (200, 200)
        );

        let shop = relay.token(&["/shop"]);
        let mut newer =
            Puppet::register(&relay, &shop, &["/shop"], millis() + 60_000).expect("its own mount");
        assert_eq!(get(relay.addr(), "/bank/x").status(), 200, "a token ended what it does not claim");
        assert!(telephone.is_ready());
        wait::until_true("the older session knows its rest", PATIENCE, || {
            let line = &telephone.page()["plugboards"][0];
            line["mounts"] == json!(["/bank"]) && line["missing_mounts"][0]["mount"] == "/shop"
        });

        // The newest takes the rest, and the telephone's session ends.
        let all = relay.token(&["/bank"]);
        let _newest = Puppet::register(&relay, &all, &["/bank"], millis() + 90_000).expect("its own mount");
        wait::until_true("the older session has ended", PATIENCE, || !telephone.is_ready());
        newer.say("ping", &json!({"number": 7}));
        assert_eq!(newer.hear("pong")["number"], 7, "the session of /shop goes on");
    });
}

#[test]
fn an_epoch_that_no_clock_reaches_is_refused_as_busy_and_ends_nothing() {
    let (relay, day) = (Relay::start(), 24 * 60 * 60 * 1000);
    let token = relay.token(&["/m"]);
    let mut present = Puppet::register(&relay, &token, &["/m"], millis()).expect("a free mount");
    for epoch in [u64::MAX, millis() + day + 60_000] {
        let refused = Puppet::register(&relay, &token, &["/m"], epoch).expect_err("an epoch in the future");
        assert_eq!(refused["code"], "busy", "{refused}");
        let said = refused["reason"].as_str().unwrap_or_default();
        assert!(said.contains(&epoch.to_string()) && said.contains("24 h ahead"), "{said}");
    }
    present.say("ping", &json!({"number": 7}));
    assert_eq!(present.hear("pong")["number"], 7, "the session was ended");
    assert!(
        Puppet::register(&relay, &token, &["/m"], millis() + day - 60_000).is_ok(),
        "a clock that is ahead"
    );
}

/// The programs and their verbs, whose help has examples.
const HELPS: &[(&str, &[&str])] = &[
    ("plugboard", &["", "serve", "token", "secret", "demo", "bench"]),
    ("telephone", &["", "connect", "doctor", "status", "replay"]),
    ("telephone-smol", &["", "connect", "doctor", "status", "replay"]),
];

/// Where a text puts a token on a command line: an example of `--token` with a value, or of the variable before a command.
fn tokens_on_command_lines(text: &str) -> Vec<&str> {
    let is_value = |rest: &str| {
        let rest = rest.trim_start_matches(['"', '\'']);
        ["eyJ", "$", "\u{2026}", "...", "JWT\"", "a.b."].iter().any(|start| rest.starts_with(start))
    };
    let shows = |line: &&str| {
        ["--token ", "--token=", "TELEPHONE_TOKEN="]
            .iter()
            .any(|option| line.match_indices(option).any(|(at, found)| is_value(&line[at + found.len()..])))
    };
    text.lines().filter(shows).collect()
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_help_text_document_or_example_shows_a_token_on_a_command_line() {
    let bad =
        "telephone --token \"$JWT\"\nTELEPHONE_TOKEN=eyJ\u{2026} telephone\n--token <JWT>\n`--token JWT`\n";
    assert_eq!(tokens_on_command_lines(bad).len(), 2, "the test sees what it looks for, and no more");
    for (program, verbs) in HELPS {
        for verb in *verbs {
            let words = verb.split_whitespace().chain(["--help"]);
            let help = Plan::new(bins::path(program)).args(words).finish();
            assert_eq!(help.code, Some(0), "{program} {verb}: {}", help.stderr);
            let shown = tokens_on_command_lines(&help.stdout);
            assert!(shown.is_empty(), "{program} {verb} --help: {shown:?}");
            if help.stdout.contains("--token <JWT>") {
                let flowing = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flowing.contains("can read command lines"), "{program} {verb} does not warn");
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let documents = ["README.md", "PROTOCOL.md", "FAILURES.md"].map(|name| root.join(name));
    let shipped = ["deploy", "examples"].iter().flat_map(|name| files(&root.join(name)));
    for path in shipped.chain(documents) {
        let text = fs::read(&path).expect("a file");
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert!(
            tokens_on_command_lines(&shown).is_empty(),
            "{}: {:?}",
            path.display(),
            tokens_on_command_lines(&shown)
        );
    }
}

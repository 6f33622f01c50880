//! What the doctor found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use telephone_core::hint::Hint;
use telephone_core::text::readable;

/// What is thought of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// It works, and may soon not.
    Warn,
    Fail,
    /// It could not be looked at, or there is nothing to look at.
    Skipped,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    /// Its colour on a terminal (ECMA-48 SGR).
    const fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Fail => "\x1b[1;31m",
            Self::Skipped => "\x1b[2m",
        }
    }
}

/// What was found at one stage, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) stage: &'static str,
    pub(super) verdict: Verdict,
    pub(super) facts: String,
    pub(super) hint: Option<&'static str>,
}

impl Finding {
    /// Facts may hold what others wrote, such as a server's name or a plugboard's reason.
    fn new(stage: &'static str, verdict: Verdict, facts: &str, hint: Option<&'static str>) -> Self {
        Self { stage, verdict, facts: readable(facts), hint }
    }
}

/// What to do: one of the programs' hints, or a text of the doctor's own.
pub(super) struct Advice(&'static str);

impl From<&'static str> for Advice {
    fn from(text: &'static str) -> Self {
        Self(text)
    }
}

impl From<Hint> for Advice {
    fn from(hint: Hint) -> Self {
        Self(hint.text())
    }
}

/// The stages of one way.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, stage: &'static str, facts: String) {
        self.0.push(Finding::new(stage, Verdict::Ok, &facts, None));
    }

    pub(super) fn warn(&mut self, stage: &'static str, facts: String, hint: impl Into<Advice>) {
        self.0.push(Finding::new(stage, Verdict::Warn, &facts, Some(hint.into().0)));
    }

    pub(super) fn fail(&mut self, stage: &'static str, facts: String, hint: impl Into<Advice>) {
        self.0.push(Finding::new(stage, Verdict::Fail, &facts, Some(hint.into().0)));
    }

    pub(super) fn skip(&mut self, stage: &'static str, why: impl Into<String>) {
        self.0.push(Finding::new(stage, Verdict::Skipped, &why.into(), None));
    }
}

/// All ways, each under what it leads to.
pub(super) struct Report(pub(super) Vec<(String, Findings)>);

impl Report {
    pub(super) fn has_failed(&self) -> bool {
        let mut all = self.0.iter().flat_map(|(_, findings)| &findings.0);
        all.any(|finding| finding.verdict == Verdict::Fail)
    }

    pub(super) fn to_text(&self, is_coloured: bool) -> String {
        let mut text = String::new();
        for (to, findings) in &self.0 {
            // Writing to text cannot fail.
            let _ = writeln!(text, "{to}");
            for Finding { stage, verdict, facts, hint } in &findings.0 {
                let (on, off) = if is_coloured { (verdict.colour(), "\x1b[0m") } else { ("", "") };
                let _ = writeln!(text, "  {on}{:<8}{off} {stage:<8} {}", verdict.word(), facts);
                if let Some(hint) = hint {
                    let _ = writeln!(text, "{:20}hint: {hint}", "");
                }
            }
        }
        text
    }

    pub(super) fn to_json(&self) -> Value {
        let stage = |finding: &Finding| {
            json!({
                "stage": finding.stage, "verdict": finding.verdict.word(),
                "facts": finding.facts, "hint": finding.hint,
            })
        };
        let way = |(to, findings): &(String, Findings)| json!({"to": to, "stages": findings.0.iter().map(stage).collect::<Vec<_>>()});
        json!({"ok": !self.has_failed(), "checked": self.0.iter().map(way).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut findings = Findings::default();
        findings.ok("dns", "127.0.0.1".into());
        findings.fail("tcp", "refused\x1b[2J".into(), "start it");
        findings.skip("tls", "no connection");
        Report(vec![("ws://a/".into(), findings)])
    }

    #[test]
    fn each_stage_is_a_line_with_a_hint_where_something_is_wrong() {
        assert_eq!(
            report().to_text(false),
            "ws://a/\n  ok       dns      127.0.0.1\n  fail     tcp      refused\\u{1b}[2J\n                    hint: start it\n  skipped  tls      no connection\n"
        );
        assert!(report().to_text(true).contains("\x1b[1;31mfail    \x1b[0m tcp"));
    }

    #[test]
    fn programs_get_the_same() {
        let json = report().to_json();
        assert_eq!((&json["ok"], &json["checked"][0]["to"]), (&json!(false), &json!("ws://a/")));
        let tcp = &json["checked"][0]["stages"][1];
        assert_eq!(tcp["facts"], r"refused\u{1b}[2J");
        assert_eq!(
            (&tcp["stage"], &tcp["verdict"], &tcp["hint"]),
            (&json!("tcp"), &json!("fail"), &json!("start it"))
        );
    }
}

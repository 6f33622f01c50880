//! What a token says of itself, and what the plugboard says to it.

use std::time::SystemTime;

use telephone_core::hint::Hint;
use telephone_core::wire::{Refused, RefusedCode};
use telephone_driver::{Runtime, TokenSource as _, Upgraded};

use super::super::DoctorSettings;
use super::super::claims::{Claims, Standing};
use super::{Way, in_time, too_late};
use crate::line::TokenOrigin;
use crate::token_file::TokenFile;

const STAGE: &str = "token";

impl<R: Runtime> Way<'_, R> {
    pub(super) async fn token(&mut self, settings: &DoctorSettings, upgraded: Option<Upgraded>) {
        let Some(origin) = &settings.token else {
            return self.findings.skip(STAGE, "none was given (--token, --token-file)");
        };
        let token = match read(origin) {
            Ok(token) => token,
            Err(facts) => {
                return self.findings.fail(STAGE, facts, Hint::TokenFile);
            }
        };
        let Some(claims) = Claims::read(&token) else {
            let hint = "Give what `plugboard token` prints, whole.";
            return self.findings.fail(STAGE, "this is no JWT".into(), hint);
        };
        let now = SystemTime::now();
        let (told, standing) = (claims.told(now), claims.standing(now));
        let uncovered: Vec<String> =
            claims.uncovered(&settings.mounts).iter().map(ToString::to_string).collect();
        let is_narrow = !uncovered.is_empty();
        let own = if is_narrow {
            format!("{told}; it does not cover {}", uncovered.join(", "))
        } else {
            told.clone()
        };
        let Some(upgraded) = upgraded else { return self.unasked(own, standing, is_narrow) };

        let mounts: Vec<String> = settings.mounts.iter().map(ToString::to_string).collect();
        let start = self.runtime.now();
        match in_time(self.runtime, self.probe.ask(upgraded, token, &mounts)).await {
            Some(Ok(Ok(()))) => match own_hint(standing, is_narrow) {
                // It lives on, or soon will not.
                Some(hint) => self.findings.warn(STAGE, own, hint),
                None => self.passed(STAGE, format!("{told}; the plugboard takes it"), start),
            },
            Some(Ok(Err(refused))) => {
                let facts = format!("{told}; the plugboard refuses it: {}", refused.reason);
                self.findings.fail(STAGE, facts, refusal_hint(&refused, standing, is_narrow));
            }
            Some(Err(error)) => {
                let hint =
                    "The link broke before the plugboard had answered: see its log, and what lies between.";
                self.findings.fail(STAGE, format!("{own}; not judged: {error}"), hint);
            }
            None => {
                let hint = "Somebody in between says yes to the upgrade and holds back what is said then: have WebSockets to \
                            this host passed on without buffering or inspection.";
                self.findings.fail(STAGE, format!("{own}; not judged: {}", too_late()), hint);
            }
        }
    }

    /// What can be said of a token by itself.
    fn unasked(&mut self, own: String, standing: Standing, is_narrow: bool) {
        match own_hint(standing, is_narrow) {
            None => self.findings.skip(STAGE, format!("{own}; the plugboard could not be asked")),
            Some(hint) if standing == Standing::Ending && !is_narrow => self.findings.warn(STAGE, own, hint),
            Some(hint) => self.findings.fail(STAGE, own, hint),
        }
    }
}

fn read(origin: &TokenOrigin) -> Result<String, String> {
    match origin {
        TokenOrigin::Fixed(token) => Ok(token.expose().to_owned()),
        TokenOrigin::File(path) => {
            let read = TokenFile::open(path).and_then(|file| file.token());
            read.map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

const MAKE_WIDER: &str = "Make one with `plugboard token --mount` for each mount, or change --mount.";
const MAKE_NEW: &str = Hint::TokenExpired.text();

/// What to do about a token for what it says itself.
const fn own_hint(standing: Standing, is_narrow: bool) -> Option<&'static str> {
    match standing {
        Standing::Expired => Some(MAKE_NEW),
        Standing::NotYet => Some("It is not valid yet: see whether the clocks are right."),
        Standing::Ending | Standing::Good if is_narrow => Some(MAKE_WIDER),
        Standing::Ending => Some("It ends soon: let --token-file hold a fresh one by then."),
        Standing::Good => None,
    }
}

/// What to do about a token that the plugboard refused.
fn refusal_hint(refused: &Refused, standing: Standing, is_narrow: bool) -> &'static str {
    match refused.code {
        RefusedCode::Expired => match standing {
            Standing::Expired => MAKE_NEW,
            Standing::Ending | Standing::Good | Standing::NotYet => {
                "By this machine's clock it has not expired: set the clocks right, or make one with a longer --ttl."
            }
        },
        RefusedCode::Forbidden if is_narrow => MAKE_WIDER,
        _ => Hint::of_refusal(refused).text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(code: RefusedCode, standing: Standing, is_narrow: bool) -> &'static str {
        refusal_hint(&Refused { code, reason: "no".into(), retry_after_ms: None }, standing, is_narrow)
    }

    #[test]
    fn a_refusal_is_explained_by_its_reason_and_not_by_what_else_the_token_lacks() {
        let expired = hint(RefusedCode::Expired, Standing::Expired, true);
        assert!(expired.contains("--ttl") && !expired.contains("clock"));
        assert!(hint(RefusedCode::Expired, Standing::Good, true).contains("clock"));
        assert!(hint(RefusedCode::Busy, Standing::Good, true).contains("clock"));
        assert!(hint(RefusedCode::Forbidden, Standing::Expired, true).contains("--mount"));
        let fallback = hint(RefusedCode::Forbidden, Standing::Ending, false);
        for word in ["--secret-file", "--audience", "--issuer", "revoked"] {
            assert!(fallback.contains(word), "{word}");
        }
    }

    #[test]
    fn a_token_that_only_ends_soon_is_no_failure() {
        assert!(own_hint(Standing::Ending, false).is_some_and(|hint| hint.contains("ends soon")));
        assert_eq!(own_hint(Standing::Ending, true), Some(MAKE_WIDER));
        assert_eq!(own_hint(Standing::Good, false), None);
    }
}

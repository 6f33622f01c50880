//! What a token says, read without judging its signature.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use telephone_core::mount::Mount;
use telephone_driver::LEEWAY;

use crate::token_file::is_jwt_shaped;

/// The claims of a token that matter to a telephone.
#[derive(Debug)]
pub(super) struct Claims {
    subject: String,
    expires: Option<SystemTime>,
    not_before: Option<SystemTime>,
    mounts: Vec<Mount>,
}

/// How a token stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// It ends within minutes.
    Ending,
    Expired,
    NotYet,
}

/// How long before its end a token is worth a word.
const ENDING: Duration = Duration::from_secs(300);

impl Claims {
    /// Reads a token. `None` if it is none.
    pub(super) fn read(token: &str) -> Option<Self> {
        let payload = is_jwt_shaped(token).then(|| token.split('.').nth(1)).flatten()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        // RFC 7519 §2: seconds, which need not be whole.
        let seconds = |name: &str| Duration::try_from_secs_f64(claims[name].as_f64()?).ok();
        let time = |name: &str| UNIX_EPOCH.checked_add(seconds(name)?);
        let mounts = claims["mounts"].as_array().into_iter().flatten();
        claims.is_object().then(|| Self {
            subject: claims["sub"].as_str().unwrap_or("nobody").to_owned(),
            expires: time("exp"),
            not_before: time("nbf"),
            mounts: mounts.filter_map(|mount| mount.as_str()?.parse().ok()).collect(),
        })
    }

    pub(super) fn standing(&self, now: SystemTime) -> Standing {
        match self.expires {
            _ if self.not_before.is_some_and(|from| from > now + LEEWAY) => Standing::NotYet,
            Some(end) if end <= now => Standing::Expired,
            Some(end) if end <= now + ENDING => Standing::Ending,
            Some(_) | None => Standing::Good,
        }
    }

    /// Those of `asked` that no claim covers.
    pub(super) fn uncovered<'a>(&self, asked: &'a [Mount]) -> Vec<&'a Mount> {
        asked.iter().filter(|mount| !mount.is_covered_by(&self.mounts)).collect()
    }

    /// Whom it is for, until when, and what for.
    pub(super) fn told(&self, now: SystemTime) -> String {
        let mounts: Vec<String> = self.mounts.iter().map(ToString::to_string).collect();
        let mounts = if mounts.is_empty() { "no mount".to_owned() } else { mounts.join(", ") };
        let whole = |time: Duration| humantime::format_duration(Duration::from_secs(time.as_secs()));
        let until = match self.expires.map(|end| end.duration_since(now).map_err(|error| error.duration())) {
            None => "which does not expire".to_owned(),
            Some(Ok(left)) => format!("which expires in {}", whole(left)),
            Some(Err(since)) => format!("which expired {} ago", whole(since)),
        };
        format!("of {}, for {mounts}, {until}", self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("eyJh.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        for text in ["", "a.b.c", "eyJh", &token("[]"), &token("no json")] {
            assert!(Claims::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_is_told_by_its_claims() {
        let claims = Claims::read(&token(r#"{"sub":"shop","exp":4600,"mounts":["/api","room:r"]}"#)).unwrap();
        assert_eq!(claims.told(at(1000)), "of shop, for /api, room:r, which expires in 1h");
        assert_eq!(claims.told(at(4660)), "of shop, for /api, room:r, which expired 1m ago");
        let asked: Vec<Mount> = ["/api/v1", "/other", "room:r"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(claims.uncovered(&asked), [&asked[1]]);
    }

    #[test]
    fn a_token_stands_as_its_times_say() {
        let claims = Claims::read(&token(r#"{"exp":5000.0,"nbf":1000}"#)).unwrap();
        for (now, standing) in [
            (900, Standing::NotYet),
            (940, Standing::Good),
            (4699, Standing::Good),
            (4700, Standing::Ending),
            (5000, Standing::Expired),
        ] {
            assert_eq!(claims.standing(at(now)), standing, "at {now}");
        }
        assert_eq!(Claims::read(&token("{}")).unwrap().standing(at(1)), Standing::Good);
    }
}

//! What a token claims: mounts to register, and endpoints of others to connect to.

use alloc::string::String;
use alloc::vec::Vec;

use crate::mount::{Mount, MountError};

/// The claims of a good token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// What it may register, with all that lies below.
    pub mounts: Vec<Mount>,
    /// The mounts of raw connections to which it may open streams.
    pub connect: Vec<Mount>,
}

/// A claim that spoils its token. The text is for the telephone's operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadClaim {
    /// It is no mount.
    #[error("the token is malformed, in its claim `{claim}`: {error}")]
    NoMount {
        /// The claim's name.
        claim: &'static str,
        /// What is wrong with it.
        error: MountError,
    },
    /// It is a mount, but not one of raw connections.
    #[error("the token is malformed, in its claim `connect`: {0} is no tcp:PORT or tcp:NAME:PORT")]
    NoEndpoint(Mount),
}

impl Claims {
    /// Reads the claims `mounts` and `connect`.
    ///
    /// # Errors
    /// The first claim that is bad. A token is good as a whole or not at all: without the bad claim it would allow less
    /// than its issuer wrote, and nobody would be told.
    ///
    /// ```
    /// use telephone_core::claims::Claims;
    /// let error = Claims::parse(&["/u/../bank".into()], &[]).unwrap_err().to_string();
    /// assert!(error.contains("\"/u/../bank\"") && error.contains("canonical form is \"/bank\""));
    /// ```
    pub fn parse(mounts: &[String], connect: &[String]) -> Result<Self, BadClaim> {
        let mounts = parse_all("mounts", mounts)?;
        let connect = parse_all("connect", connect)?;
        match connect.iter().find(|mount| !mount.is_tcp()) {
            Some(mount) => Err(BadClaim::NoEndpoint(mount.clone())),
            None => Ok(Self { mounts, connect }),
        }
    }
}

fn parse_all(claim: &'static str, texts: &[String]) -> Result<Vec<Mount>, BadClaim> {
    let parse = |text: &String| text.parse().map_err(|error| BadClaim::NoMount { claim, error });
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn parse(mounts: &[&str], connect: &[&str]) -> Result<Claims, String> {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        Claims::parse(&owned(mounts), &owned(connect)).map_err(|error| error.to_string())
    }

    #[test]
    fn one_bad_claim_spoils_the_token_and_is_quoted() {
        for (mounts, connect, said) in [
            (&["/a", "/u/.."][..], &[][..], ["`mounts`", "\"/u/..\"", "is \"/\""]),
            (&["h.net/u/%2e%2e"], &[], ["`mounts`", "\"h.net/u/%2e%2e\"", "is \"h.net/\""]),
            (&["/a", "/u//v"], &["tcp:1"], ["`mounts`", "\"/u//v\"", "is \"/u/v\""]),
            (&["/a", "b"], &[], ["`mounts`", "\"b\"", "no slash"]),
            (&["/a"], &["tcp:1", "/u/.."], ["`connect`", "\"/u/..\"", "is \"/\""]),
            (&["/a"], &["tcp:01"], ["`connect`", "\"tcp:01\"", "names no port"]),
            (&["/a"], &["/a"], ["`connect`", "/a", "is no tcp:PORT"]),
            (&[], &["room:a"], ["`connect`", "room:a", "is no tcp:PORT"]),
        ] {
            let error = parse(mounts, connect).unwrap_err();
            assert!(said.iter().all(|part| error.contains(part)), "{mounts:?} {connect:?}: {error}");
        }
    }

    #[test]
    fn good_claims_are_read_in_their_canonical_form() {
        let claims = parse(&["H.net./%61/", "room:x"], &["tcp:db:5432"]).unwrap();
        assert_eq!(claims.mounts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["h.net/a", "room:x"]);
        assert_eq!(claims.connect.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tcp:db:5432"]);
    }
}

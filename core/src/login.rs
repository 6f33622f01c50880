//! Logins that belong to a connection: NTLM, and Negotiate where that carries it (RFC 4559).
//!
//! A backend takes the sender of the next request on such a connection for the user who logged in. So a connection to a
//! backend on which such a login began serves no other client.

use crate::message::Headers;

/// Schemes whose logins last for the connection: those of Squid's list, and the successor that Windows offers beside them.
const SCHEMES: [&[u8]; 4] = [b"ntlm", b"negotiate", b"kerberos", b"nego2"];

/// Whether a request carries such a login.
///
/// ```
/// use telephone_core::{login, message::Headers};
/// let headers: Headers = [("Authorization", "NTLM TlRMTVNTUAABAAAA")].into_iter().collect();
/// assert!(login::is_carried(&headers));
/// ```
#[must_use]
pub fn is_carried(headers: &Headers) -> bool {
    ["authorization", "proxy-authorization"].iter().any(|name| headers.all(name).any(names_scheme))
}

/// Whether an answer asks for such a login, or goes on with one.
#[must_use]
pub fn is_asked(headers: &Headers) -> bool {
    ["www-authenticate", "proxy-authenticate"].iter().any(|name| headers.all(name).any(lists_scheme))
}

/// Whether credentials begin with one of the schemes (RFC 9110 §11.4).
fn names_scheme(value: &[u8]) -> bool {
    let name = value.trim_ascii_start().split(|byte| matches!(byte, b' ' | b'\t' | b',')).next();
    name.is_some_and(|name| SCHEMES.iter().any(|scheme| name.eq_ignore_ascii_case(scheme)))
}

/// Whether one of the challenges of a list is of one of the schemes. A comma within a quoted string may look like the
/// beginning of a challenge (RFC 9110 §11.6.1): that costs a connection and harms nobody.
fn lists_scheme(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(names_scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, values: &[&str]) -> Headers {
        values.iter().map(|value| (name, value)).collect()
    }

    #[test]
    fn a_login_of_a_connection_is_known_however_it_is_written() {
        for value in ["NTLM", "NTLM TlRM", "ntlm\tTlRM", "Negotiate YII=", "NEGOTIATE", "  Ntlm x"] {
            assert!(is_carried(&headers("Authorization", &[value])), "{value}");
            assert!(is_carried(&headers("proxy-authorization", &["Basic x", value])), "{value}");
            assert!(is_asked(&headers("WWW-Authenticate", &[value])), "{value}");
        }
        for value in ["Basic realm=\"x\", NTLM", "Negotiate,NTLM", "Digest a=b , negotiate"] {
            assert!(is_asked(&headers("WWW-Authenticate", &[value])), "{value}");
        }
    }

    #[test]
    fn other_logins_are_none() {
        for value in ["Basic TlRM", "Bearer NTLM", "", "NTLMv2 x", "Digest username=\"NTLM\""] {
            assert!(!is_carried(&headers("Authorization", &[value])), "{value}");
            assert!(!is_asked(&headers("WWW-Authenticate", &[value])), "{value}");
        }
        assert!(
            !is_carried(&headers("Cookie", &["NTLM"])) && !is_asked(&headers("Authorization", &["NTLM"]))
        );
    }
}

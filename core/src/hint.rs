//! What to do about the mistakes that keep a telephone away from its plugboard: one table for log lines, for the last words of
//! the programs and for `telephone doctor`.

use crate::error::LeaveCode;
use crate::wire::{Refused, RefusedCode};

/// Declares [`Hint`] with one line for each: its name and its text.
macro_rules! hints {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A next step, for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Hint {
            $($(#[$doc])* $name,)*
        }

        impl Hint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// One or two sentences.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

hints! {
    /// The name of the plugboard has no address.
    Name = "Is the name spelt right? Does this machine resolve it: /etc/resolv.conf, the cluster's DNS?";
    /// The name of the proxy has none.
    ProxyName = "Is the proxy's name correct in HTTPS_PROXY or ALL_PROXY? Does this machine resolve it?";
    /// No connection to the plugboard.
    Unreachable = "Does the plugboard listen at this port (`serve --listen`)? Is a firewall between, or a proxy needed (HTTPS_PROXY)?";
    /// No connection to the proxy.
    ProxyUnreachable = "Does the proxy run, at this port? If none is needed, take it out of HTTPS_PROXY and ALL_PROXY, or exempt the plugboard's host in NO_PROXY.";
    /// The proxy asks who dials.
    ProxyLogin = "It wants credentials: USER:PASSWORD@ before the host in the variable.";
    /// The proxy does not accept who dials.
    ProxyLoginRefused = "It did not accept the credentials in the variable: correct USER:PASSWORD@, with special characters percent-encoded.";
    /// The proxy has no connection to the plugboard.
    ProxyRoute = "The proxy cannot reach the plugboard: is its name known there, its port open?";
    /// The proxy refuses.
    ProxyRefusal = "The proxy does not allow this: have host and port allowed, use port 443, or exempt it in NO_PROXY.";
    /// What the variable names is no proxy.
    NoProxy = "Is this such a proxy, HTTP or SOCKS5, and this its port?";
    /// A program without TLS.
    TlsAbsent = "Use a build with the feature `tls`, or ws:// to a TLS client beside it.";
    /// No roots.
    NoRoots = "This machine trusts no authority at all: install ca-certificates, or give the plugboard's with --ca.";
    /// A plain port.
    NoTls = "This port speaks no TLS: use ws://, or the port of the server that ends TLS.";
    /// An old certificate.
    CertificateExpired = "Renew the server's certificate; if it is new, see whether this machine's clock is right.";
    /// A certificate of the future.
    CertificateNotYetValid = "See whether this machine's clock is right.";
    /// A certificate of a stranger.
    UnknownIssuer = "A private authority, or a company's proxy that opens TLS: give its certificate with --ca.";
    /// A certificate that signed itself.
    SelfSigned = "A certificate that signed itself as an authority is none for a server: have it sign one for this host, and give the authority's with --ca.";
    /// A certificate of another host.
    WrongName = "Dial the name that the certificate is for, or have one made for this name.";
    /// Another fault of TLS.
    Tls = "See the server's TLS log: versions, certificates that it asks of clients.";
    /// A proxy removed the upgrade.
    UpgradeRemoved = "A plugboard, which was not asked for an upgrade: a server in between drops Upgrade and Connection; README has what nginx needs.";
    /// A path of the plugboard's clients.
    WrongPath = "A plugboard, but not where telephones connect: leave the path out of the URL, and see which path a server in front passes on.";
    /// A redirect.
    Redirect = "A login page or a redirect: sign in to this network, or dial where it points.";
    /// A server in between refuses.
    Filtered = "A server in between refuses this: have WebSockets to this host allowed.";
    /// A proxy that no variable names.
    UnnamedProxy = "A proxy wants credentials: name it in HTTPS_PROXY.";
    /// A front without a plugboard.
    NoPlugboard = "A server in front has no plugboard behind it: is `plugboard serve` running?";
    /// A web server that did not understand.
    PerhapsTls = "A web server, but no plugboard: if this port speaks TLS, use wss://; if not, are host, port and path right?";
    /// Another web server.
    OtherServer = "A web server, but no plugboard at this path: are host, port and path right, and does a server in front pass them on?";
    /// No web server.
    NoHttp = "What answers there is no web server, or hangs: is this the plugboard's port, and wss:// or ws:// right?";
    /// The answer to the hello is missing.
    NoAnswer = "The plugboard did not answer in time: see its log, and what lies between.";
    /// The token file is unusable.
    TokenFile = "Let the file hold what `plugboard token` prints.";
    /// The token is over.
    TokenExpired = "Make a new one with `plugboard token`, with a longer --ttl or in a --token-file.";
    /// A renewal ended the session.
    TokenForeign = "Write a token of the same subject into the file, for at least one of these mounts.";
    /// The plugboard refuses the token.
    TokenRefused = "Make one as this plugboard wants it: with its key (--secret-file, --public-key-file), for its --audience, by its --issuer, for these mounts, and for a subject that was not revoked.";
    /// A port of the plugboard.
    TcpPort = "Choose a port that the plugboard offers (`serve --tcp-ports`) and that no other program on its machine uses, and make a token for it, or have its operator offer this one.";
    /// A clock.
    Clock = "Set this machine's clock, or the plugboard's: let NTP run. Tokens are judged by the plugboard's.";
    /// Not now.
    Busy = "If the token is not valid yet, see whether the clocks are right; if the plugboard lacks something, wait: a telephone asks again by itself.";
    /// The plugboard restarts.
    Leaving = "The plugboard is about to leave: its successor answers the next dial.";
    /// Another subject's mount.
    Held = "End the telephone that holds the mount, or choose another one.";
    /// Two processes with one name.
    SameInstance = "Another process runs with the same --instance: give each replica an --instance of its own, or stop one of them.";
    /// An application that accepts no connection.
    NotRunning = "Is it running there?";
    /// An application that answers its check with another status than 2xx and 3xx.
    CheckFailed = "Something answers there: correct the application, or give --backend-check the path of its health check.";
    /// A port that is taken.
    PortTaken = "Another program listens there: stop it, or choose another port.";
    /// A port below 1024.
    PrivilegedPort = "Ports below 1024 need a right: CAP_NET_BIND_SERVICE (in a systemd unit AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a higher port.";
    /// An address of another machine.
    ForeignAddress = "This machine has no such address: 0.0.0.0 and [::] stand for all that it has.";
}

impl Hint {
    /// About an HTTP answer with this status to the upgrade, from a plugboard or from another server.
    #[must_use]
    pub const fn of_answer(status: u16, is_plugboard: bool) -> Self {
        match status {
            400 | 426 if is_plugboard => Self::UpgradeRemoved,
            _ if is_plugboard => Self::WrongPath,
            400 => Self::PerhapsTls,
            301..=399 | 511 => Self::Redirect,
            401 | 403 => Self::Filtered,
            407 => Self::UnnamedProxy,
            500..=599 => Self::NoPlugboard,
            _ => Self::OtherServer,
        }
    }

    /// About a hello that was refused. The code does not tell a port from a token, but the reason, which is for people, does.
    #[must_use]
    pub fn of_refusal(refused: &Refused) -> Self {
        match refused.code {
            RefusedCode::Forbidden | RefusedCode::Busy if is_about_port(&refused.reason) => Self::TcpPort,
            RefusedCode::Expired => Self::TokenExpired,
            RefusedCode::Busy => Self::Busy,
            RefusedCode::Leaving => Self::Leaving,
            RefusedCode::Held => Self::Held,
            RefusedCode::Stale => Self::SameInstance,
            RefusedCode::Forbidden | RefusedCode::Malformed | RefusedCode::Other(_) => Self::TokenRefused,
        }
    }

    /// About a session that the plugboard ended; none where nothing is wrong.
    #[must_use]
    pub const fn of_leave(code: LeaveCode) -> Option<Self> {
        match code {
            LeaveCode::Replaced => Some(Self::SameInstance),
            LeaveCode::Expired => Some(Self::TokenExpired),
            LeaveCode::Forbidden => Some(Self::TokenForeign),
            LeaveCode::Revoked => Some(Self::TokenRefused),
            LeaveCode::Draining
            | LeaveCode::Misbehaved
            | LeaveCode::CalmDown
            | LeaveCode::Stopped
            | LeaveCode::Other(_) => None,
        }
    }
}

/// Whether a plugboard names a port of its own in a reason.
fn is_about_port(reason: &str) -> bool {
    [
        "the plugboard does not open the port",
        "the plugboard cannot open the port",
        "the plugboard opens no TCP ports",
    ]
    .iter()
    .any(|start| reason.starts_with(start))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_hint_is_a_sentence_of_its_own() {
        let texts: BTreeSet<&str> = Hint::ALL.iter().map(|hint| hint.text()).collect();
        assert_eq!(texts.len(), Hint::ALL.len());
        for text in texts {
            assert!(text.ends_with(['.', '?']) && text.is_ascii() && text.len() < 220, "{text}");
        }
    }

    #[test]
    fn an_answer_to_the_upgrade_is_explained_by_its_status_and_by_who_gave_it() {
        for (status, is_plugboard, hint) in [
            (426, true, Hint::UpgradeRemoved),
            (426, false, Hint::OtherServer),
            (404, true, Hint::WrongPath),
            (404, false, Hint::OtherServer),
            (302, false, Hint::Redirect),
            (403, false, Hint::Filtered),
            (400, false, Hint::PerhapsTls),
            (400, true, Hint::UpgradeRemoved),
            (407, false, Hint::UnnamedProxy),
            (502, false, Hint::NoPlugboard),
        ] {
            assert_eq!(Hint::of_answer(status, is_plugboard), hint, "{status} {is_plugboard}");
        }
    }
}

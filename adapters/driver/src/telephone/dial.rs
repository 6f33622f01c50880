//! One dial: a socket, TLS, the WebSocket upgrade, the handshake.

use std::io;
use std::time::{Duration, SystemTime};

use async_tungstenite::client_async;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::handshake::client::Response;
use async_tungstenite::tungstenite::{Error as WsError, http};
use futures_lite::future;
use telephone_core::dialer::DialFailure;
use telephone_core::error::Misbehaviour;
use telephone_core::handshake::{Answer, Greeting};
use telephone_core::hint::Hint;
use telephone_core::limits::{HANDSHAKE_TIMEOUT, WAKE_DIAL_TIME};
use telephone_core::wire::{Hello, Profile, Refused, RefusedCode, Resume, Setting, Settings, Welcome};

use super::Config;
use super::probe::{date, is_plugboard};
use super::proxy::{Proxy, ProxyError};
use super::upgrade::Upgrading;
use crate::connection::Connection;
use crate::happy_eyeballs;
use crate::link::Link;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::{Endpoint, Runtime};
use crate::socket::Socket;

/// Why a dial led to no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("cannot reach the plugboard: {0}")]
    Unreachable(io::Error),
    /// With the time that it was waited for.
    #[error("the plugboard did not answer within {:.0} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the plugboard did not answer within {:.0} s through the proxy {}", .0.as_secs_f64(), .1)]
    TimedOutBehind(Duration, Proxy),
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    #[error("there is no plugboard at this URL: it answered {status} to the upgrade")]
    NotAPlugboard { status: u16, is_plugboard: bool, retry_after: Option<Duration> },
    #[error("the WebSocket upgrade failed: {0}")]
    Upgrade(WsError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("the link broke during the handshake: {0}")]
    Link(io::Error),
    #[error("the plugboard broke the protocol: {0}")]
    Misbehaved(#[from] Misbehaviour),
    #[error("cannot read the token: {0}")]
    Token(io::Error),
    #[error("refused: {}", .0.reason)]
    /// With the plugboard's clock, if it told the time.
    Refused(Refused, Option<SystemTime>),
}

impl DialError {
    /// Whether a mount belongs to another subject.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Refused(refused, _) if refused.code == RefusedCode::Held)
    }

    /// What the dialer makes of it.
    pub(super) fn failure(&self) -> DialFailure {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::TimedOutBehind(..) | Self::Link(_) => {
                DialFailure::Unreachable
            }
            // A relay that restarts, or the balancer before it, may end a connection before it answers.
            Self::Upgrade(WsError::Io(_) | WsError::Protocol(ProtocolError::HandshakeIncomplete)) => {
                DialFailure::Unreachable
            }
            Self::Proxy(error) if error.is_temporary() => DialFailure::Unreachable,
            Self::Proxy(_) => DialFailure::Refused { retry_after: None },
            Self::NotAPlugboard { retry_after, .. } => DialFailure::Refused { retry_after: *retry_after },
            #[cfg(feature = "tls")]
            Self::Tls(crate::tls::TlsError::Broken(_)) => DialFailure::Unreachable,
            #[cfg(feature = "tls")]
            Self::Tls(_) => DialFailure::Refused { retry_after: None },
            Self::Upgrade(_) | Self::Misbehaved(_) | Self::Token(_) => {
                DialFailure::Refused { retry_after: None }
            }
            Self::Refused(refused, _) => refused.into(),
        }
    }
}

impl DialError {
    /// What to do about it.
    pub(super) fn hint(&self) -> Hint {
        match self {
            Self::Unreachable(error) if error.kind() == io::ErrorKind::NotFound => Hint::Name,
            Self::Unreachable(_) => Hint::Unreachable,
            Self::TimedOut(_) | Self::TimedOutBehind(..) | Self::Link(_) => Hint::NoAnswer,
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fault().hint(),
            Self::NotAPlugboard { status, is_plugboard, .. } => Hint::of_answer(*status, *is_plugboard),
            Self::Upgrade(_) | Self::Misbehaved(_) => Hint::NoHttp,
            Self::Proxy(error) => error.hint(),
            Self::Token(_) => Hint::TokenFile,
            Self::Refused(refused, _) => Hint::of_refusal(refused),
        }
    }
}

/// A link whose handshake is done.
pub(super) struct Established<S> {
    pub(super) link: Link<S>,
    pub(super) welcome: Welcome,
}

/// A socket with or without TLS.
type BoxedSocket = Box<dyn Socket>;

/// What a hello asks for.
pub(super) struct Wanted {
    pub(super) token: io::Result<String>,
    pub(super) mounts: Vec<String>,
    /// Whether those of them that the token covers are enough.
    pub(super) is_partial_enough: bool,
    pub(super) resume: Option<Resume>,
}

/// Dials `url` once, to go on with a session if `resume` names one. `patience` is how long addresses without an answer are
/// waited for after another one refused. Dropping the future gives up and leaves nothing behind.
pub(super) async fn dial<R: Runtime>(
    runtime: &R,
    config: &Config,
    (url, patience): (&PlugboardUrl, Duration),
    wanted: Wanted,
) -> Result<Established<BoxedSocket>, DialError> {
    let start = runtime.now();
    let late = async {
        // A dial from before this machine was suspended is as good as lost.
        let woken = async {
            config.wake_ups.next().await;
            runtime.sleep_until(runtime.now() + WAKE_DIAL_TIME).await;
        };
        future::or(runtime.sleep_until(start + HANDSHAKE_TIMEOUT), woken).await;
        let waited = runtime.now().since(start);
        Err(match config.proxies.on_way_to(url).cloned() {
            Some(proxy) => DialError::TimedOutBehind(waited, proxy),
            None => DialError::TimedOut(waited),
        })
    };
    future::or(attempt(runtime, config, (url, patience), wanted), late).await
}

async fn attempt<R: Runtime>(
    runtime: &R,
    config: &Config,
    (url, patience): (&PlugboardUrl, Duration),
    mut wanted: Wanted,
) -> Result<Established<BoxedSocket>, DialError> {
    let token = std::mem::replace(&mut wanted.token, Ok(String::new())).map_err(DialError::Token)?;
    let socket = connect(runtime, config, url, patience).await?;
    let (connection, response) = upgrade(url, socket).await.map_err(upgrade_error)?;
    let mut link = Link::dialled(connection);
    let (hello, greeting) = Greeting::start(Profile::Binary, hello(config, token, wanted), runtime.now());
    link.send(runtime, hello).await.map_err(DialError::Link)?;
    let answer = link.receive().await.map_err(DialError::Link)?;
    match greeting.handle_message(answer)? {
        Answer::Welcome(welcome) => Ok(Established { link, welcome }),
        Answer::Refused(refused) => Err(DialError::Refused(refused, date(response.headers()))),
    }
}

/// Asks for the upgrade to a WebSocket.
pub(super) async fn upgrade(
    url: &PlugboardUrl,
    socket: BoxedSocket,
) -> Result<(Connection<BoxedSocket>, Response), WsError> {
    let mut request = url.as_url().as_str().into_client_request()?;
    let subprotocol = http::HeaderValue::from_static(Profile::Binary.subprotocol());
    request.headers_mut().insert(http::header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    let (socket, response) = client_async(request, Upgrading::new(socket)).await?;
    Ok((socket.into_inner().into_connection(), response))
}

fn hello(config: &Config, token: String, wanted: Wanted) -> Hello {
    let Wanted { mounts, is_partial_enough, resume, .. } = wanted;
    let settings = Settings::of(&config.limits)
        .with(Setting::Timing, 1)
        .with(Setting::Clients, 1)
        .with(Setting::Mounts, 1)
        .with(Setting::Site, 1)
        .with(Setting::Refusals, 1)
        .with(Setting::Partial, u64::from(is_partial_enough));
    let wishes = [
        config.body_clock.map(|clock| (Setting::BodyClock, clock.as_secs().max(1))),
        config.sticky.map(|sticky| (Setting::Sticky, sticky.to_setting())),
    ];
    let with = |settings: Settings, (setting, value)| settings.with(setting, value);
    let settings = wishes.into_iter().flatten().fold(settings, with);
    Hello {
        token,
        mounts,
        instance: config.instance.clone(),
        epoch: config.epoch,
        agent: concat!("telephone/", env!("CARGO_PKG_VERSION")).into(),
        settings,
        resume,
    }
}

async fn connect<R: Runtime>(
    runtime: &R,
    config: &Config,
    url: &PlugboardUrl,
    patience: Duration,
) -> Result<BoxedSocket, DialError> {
    let proxy = config.proxies.on_way_to(url);
    let (host, port) = url.host_and_port();
    let endpoint = proxy.map_or_else(|| Endpoint::Tcp { host: host.clone(), port }, Proxy::endpoint);
    let connected = happy_eyeballs::connect(runtime, &endpoint, patience).await;
    let mut socket = connected.map_err(|error| match proxy.cloned() {
        Some(proxy) => ProxyError::Unreachable { proxy, error }.into(),
        None => DialError::Unreachable(error),
    })?;
    socket.tune_for_link();
    if let Some(proxy) = proxy {
        proxy.tunnel(&mut socket, url).await?;
    }
    if !url.is_tls() {
        return Ok(Box::new(socket));
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &config.tls {
        return Ok(Box::new(tls.connect(&host, socket).await?));
    }
    // The builder takes no such URL without it, and nobody is followed to one from a URL without.
    Err(DialError::Unreachable(io::Error::other("TLS was not set up")))
}

fn upgrade_error(error: WsError) -> DialError {
    match error {
        WsError::Http(response) => {
            let seconds = response.headers().get(http::header::RETRY_AFTER);
            let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
            DialError::NotAPlugboard {
                status: response.status().as_u16(),
                is_plugboard: is_plugboard(response.headers()),
                retry_after: seconds.map(Duration::from_secs),
            }
        }
        other => DialError::Upgrade(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_ends_before_the_upgrade_is_answered_refuses_nothing() {
        let ended = client_async("ws://plugboard.example", futures_lite::io::Cursor::new(Vec::new()));
        let error = future::block_on(ended).expect_err("nobody answered");
        assert_eq!(DialError::Upgrade(error).failure(), DialFailure::Unreachable);
    }
}

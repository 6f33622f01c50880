//! A telephone that does what a test tells it: an agent of the JSON profile, without any habits of its own.

use std::net::TcpStream;

use serde_json::{Map, Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::relay::Relay;
use crate::steady::Steady;
use crate::wait::PATIENCE;

/// A puppet; its link ends when it is dropped.
#[derive(Debug)]
pub struct Puppet {
    link: WebSocket<Steady<TcpStream>>,
}

impl Puppet {
    /// Registers `/m`, with more settings than it needs to serve.
    ///
    /// # Panics
    /// If the relay does not want it.
    pub fn connect(relay: &Relay, settings: &[(&str, u64)]) -> Self {
        let mut puppet = Self::upgrade(relay);
        let needed = [("streams", 1000), ("stream_floor", 65536)];
        let settings: Map<String, Value> =
            needed.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let hello = json!({
            "token": relay.token(&["/m"]), "mounts": ["/m"], "instance": "puppet", "epoch": 1, "settings": settings,
        });
        puppet.say("auth", &hello);
        puppet.hear("auth_success");
        puppet
    }

    /// Opens a link and says nothing yet.
    ///
    /// # Panics
    /// If the relay does not want it.
    pub fn upgrade(relay: &Relay) -> Self {
        Self::upgrade_for(relay, None)
    }

    /// Likewise, through a proxy that names the client.
    ///
    /// # Panics
    /// If the relay does not want it.
    pub fn upgrade_for(relay: &Relay, client: Option<&str>) -> Self {
        let stream = TcpStream::connect(relay.addr()).expect("the relay listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let url = format!("{}/.well-known/telephone", relay.url());
        let mut request = url.into_client_request().expect("a URL");
        let profile = HeaderValue::from_static("telephone.v1.json");
        request.headers_mut().insert("Sec-WebSocket-Protocol", profile);
        if let Some(client) = client {
            request
                .headers_mut()
                .insert("X-Forwarded-For", HeaderValue::from_str(client).expect("an address"));
        }
        let (link, _) = tungstenite::client(request, Steady(stream)).expect("an upgrade");
        Self { link }
    }

    /// Registers `mounts` as a process of that epoch, and no more than it has to.
    ///
    /// # Errors
    /// What the relay says when it refuses.
    ///
    /// # Panics
    /// If the relay does not answer.
    pub fn register(relay: &Relay, token: &str, mounts: &[&str], epoch: u64) -> Result<Self, Value> {
        let mut puppet = Self::upgrade(relay);
        let settings = json!({"streams": 1000, "stream_floor": 65536});
        let hello = json!({
            "token": token, "mounts": mounts, "instance": "puppet", "epoch": epoch, "settings": settings,
        });
        puppet.say("auth", &hello);
        let (kind, data) = puppet.next();
        if kind == "auth_success" { Ok(puppet) } else { Err(data) }
    }

    /// Says one frame.
    ///
    /// # Panics
    /// If nobody listens.
    pub fn say(&mut self, kind: &str, data: &Value) {
        assert!(self.try_say(kind, data), "the relay listens");
    }

    /// Says one frame, if the link is open.
    pub fn try_say(&mut self, kind: &str, data: &Value) -> bool {
        let text = json!({"type": kind, "data": data}).to_string();
        self.link.send(Message::text(text)).is_ok()
    }

    /// What the next frame of that kind says; others are skipped.
    ///
    /// # Panics
    /// If none comes.
    pub fn hear(&mut self, kind: &str) -> Value {
        loop {
            let (next, data) = self.next();
            if next == kind {
                return data;
            }
        }
    }

    /// The next frame: its kind, and what it says.
    fn next(&mut self) -> (String, Value) {
        let message = self.link.read().expect("a frame");
        let text = message.to_text().unwrap_or_default();
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        (frame["type"].as_str().unwrap_or_default().to_owned(), frame["data"].clone())
    }
}

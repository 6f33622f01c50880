//! Whether the application answers, and whether its answer is one that a telephone passes on.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use telephone_core::http1::{Client, ClientEvent, ResponseError};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead};
use telephone_core::time::Timestamp;
use telephone_driver::{BackendConnector, BackendUrl, Endpoint, Runtime};

use super::super::DoctorSettings;
use super::super::report::Findings;
use super::{STEP_TIMEOUT, in_time_or_failed, too_late};
use crate::exit::Exit;
use crate::usage::Stop;

const STAGE: &str = "backend";

/// How long and how far a body is read: enough to judge its framing. That of an event stream never ends.
const BODY_TIME: Duration = Duration::from_secs(1);
const BODY_BYTES: usize = 256 * 1024;

/// What came of an exchange with the application.
enum Outcome {
    /// A telephone passes the answer on; with what was odd about it.
    Answered { status: u16, oddity: Option<String> },
    /// A telephone refuses it.
    Refused { error: ResponseError, offence: String },
}

/// Asks the application for `/`, or for the path of its check, as a telephone does.
///
/// # Errors
/// The roots for TLS cannot be loaded, or this program has no TLS.
pub(in super::super) async fn backend<R: Runtime>(
    runtime: &R,
    backend: &BackendUrl,
    settings: &DoctorSettings,
) -> Result<Findings, Stop> {
    let mut findings = Findings::default();
    let connector = BackendConnector::new(runtime.clone(), backend.clone(), &settings.backend_trust)
        .map_err(|why| Stop::new(Exit::Usage, format!("--backend {backend}: {why}")))?;
    let check = settings.backend_check.as_deref();
    match exchange(runtime, &connector, request(backend.endpoint(), check.unwrap_or("/"))).await {
        Ok(Outcome::Answered { status, oddity }) => answered(&mut findings, status, oddity, check),
        Ok(Outcome::Refused { error, offence }) => {
            findings.fail(STAGE, format!("{error} ({}){offence}", error.clause()), hint(error));
        }
        Err(error) => findings.fail(
            STAGE,
            error.to_string(),
            "Start the application, or correct --port, --backend or --backend-ca; in a container 127.0.0.1 is the container itself.",
        ),
    }
    Ok(findings)
}

fn answered(findings: &mut Findings, status: u16, oddity: Option<String>, check: Option<&str>) {
    let facts = format!("it answered {status} to GET {}", check.unwrap_or("/"));
    if check.is_some() && !(200..400).contains(&status) {
        let hint = "Only a 2xx or 3xx passes --backend-check; until then the telephone is not ready. Correct the application, or \
                    give the path of its health check.";
        findings.fail(STAGE, facts, hint);
    } else if let Some(oddity) = oddity {
        let hint = "Such answers pass, on a new connection each: correct the application or its server.";
        findings.warn(STAGE, format!("{facts}; odd about it: {oddity}"), hint);
    } else if status >= 500 {
        findings.warn(STAGE, facts, "It runs, and fails: see the application's log.");
    } else {
        findings.ok(STAGE, facts);
    }
}

const fn hint(error: ResponseError) -> &'static str {
    match error {
        ResponseError::StatusLine => {
            "Give the port of the application's HTTP server; other protocols go through --tcp."
        }
        ResponseError::NoResponse | ResponseError::Truncated => {
            "See whether the application crashed, and whether it expects TLS there: --backend https://…"
        }
        ResponseError::Malformed(_) | ResponseError::UnaskedSwitch | ResponseError::Unasked => {
            "Clients get 502 for such an answer: correct the application or its server."
        }
    }
}

/// One exchange over a connection of its own, read with the parser that telephones read answers with.
async fn exchange<R: Runtime>(
    runtime: &R,
    connector: &BackendConnector<R>,
    request: RequestHead,
) -> io::Result<Outcome> {
    let mut socket = in_time_or_failed(runtime, connector.connect()).await?;
    let mut client = Client::new(HttpLimits::default());
    client.request(&request, true).map_err(io::Error::other)?;
    let waiting = client.output().remaining();
    let written = client.output().copy_to_bytes(waiting);
    in_time_or_failed(runtime, async {
        socket.write_all(&written).await?;
        socket.flush().await
    })
    .await?;
    let mut input = BytesMut::new();
    let mut answer = Answer { status: None, body_bytes: 0, is_whole: false, is_eof: false };
    let mut deadline = runtime.now() + STEP_TIMEOUT;
    loop {
        let had_head = answer.status.is_some();
        if let Err(error) = answer.read(&mut client, &mut input) {
            let offence = client.offence().map(|at| told(&at.field, &at.value)).unwrap_or_default();
            return Ok(Outcome::Refused { error, offence });
        }
        if answer.status.is_some() && !had_head {
            deadline = runtime.now() + BODY_TIME;
        }
        let is_enough = answer.is_whole || answer.body_bytes > BODY_BYTES;
        let read = if is_enough { None } else { read(runtime, &mut socket, deadline).await? };
        match (read, answer.status) {
            (Some(piece), _) if piece.is_empty() => answer.is_eof = true,
            (Some(piece), _) => input.extend_from_slice(&piece),
            (None, Some(status)) => {
                let oddity = client.oddity();
                let oddity =
                    oddity.map(|odd| format!("{}{}", odd.rule.reason(), told(&odd.field, &odd.value)));
                return Ok(Outcome::Answered { status, oddity });
            }
            (None, None) => return Err(too_late()),
        }
    }
}

fn request(endpoint: &Endpoint, path: &str) -> RequestHead {
    let mut headers = Headers::new();
    headers.push("Host", endpoint.authority());
    headers.push("User-Agent", "telephone-doctor");
    RequestHead {
        method: "GET".into(),
        target: path.to_owned().into(),
        headers,
        length: None,
        upgrade: None,
        wants_trailers: false,
    }
}

/// How far the answer was read.
struct Answer {
    status: Option<u16>,
    body_bytes: usize,
    is_whole: bool,
    is_eof: bool,
}

impl Answer {
    fn read(&mut self, client: &mut Client, input: &mut BytesMut) -> Result<(), ResponseError> {
        while !self.is_whole {
            let event = if self.is_eof { client.handle_eof(input) } else { client.poll_event(input) };
            match event? {
                None => break,
                Some(ClientEvent::Head { head, end }) => {
                    self.status = Some(head.status);
                    self.is_whole = end;
                }
                Some(ClientEvent::Body(body) | ClientEvent::Opaque(body)) => self.body_bytes += body.len(),
                Some(ClientEvent::End(_) | ClientEvent::OpaqueEnd) => self.is_whole = true,
                Some(ClientEvent::Interim(_)) => {}
            }
        }
        Ok(())
    }
}

/// The next bytes, none at the end of the connection; `None` if none come by then.
async fn read<R: Runtime>(
    runtime: &R,
    socket: &mut (impl futures_lite::AsyncRead + Unpin),
    deadline: Timestamp,
) -> io::Result<Option<Vec<u8>>> {
    let late = async {
        runtime.sleep_until(deadline).await;
        Ok(None)
    };
    let come = async {
        let mut piece = vec![0; 16 * 1024];
        let count = socket.read(&mut piece).await?;
        piece.truncate(count);
        Ok(Some(piece))
    };
    future::or(come, late).await
}

/// Field and value of a rule, if there are any.
fn told(field: &[u8], value: &[u8]) -> String {
    let (field, value) = (String::from_utf8_lossy(field), String::from_utf8_lossy(value));
    match (field.is_empty(), value.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!(": {value:?}"),
        (false, _) => format!(": {field}: {value:?}"),
    }
}

//! The second form: what the tunnel costs here, with everything in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http_body_util::BodyExt;
use serde::Serialize;
use telephone_sidecar::Stop;
use telephone_tokio::TokioRuntime;

use super::body::Filler;
use super::dial::Dialer;
use super::interrupt::Interrupt;
use super::load::Load;
use super::plan::Plan;
use super::report::{Column, Figures, Ratio};
use super::target::Target;
use super::unreachable;
use crate::loopback::Loopback;
use crate::serve;

/// The same load on the application, and on it through the tunnel.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    direct: Figures,
    /// Nothing if the user had enough before.
    tunnel: Option<Figures>,
    ratio: Option<Ratio>,
}

impl Comparison {
    /// As a report shows them.
    pub(super) fn columns(&self) -> Vec<Column<'_>> {
        let tunnel = self.tunnel.iter().map(|figures| Column { name: "tunnel", figures });
        [Column { name: "direct", figures: &self.direct }].into_iter().chain(tunnel).collect()
    }

    /// What there is.
    pub(super) fn all(&self) -> Vec<&Figures> {
        [&self.direct].into_iter().chain(&self.tunnel).collect()
    }
}

/// Measures the application directly, then through relay and sidecar.
pub(super) async fn compare(
    plan: &Plan,
    answer_bytes: u64,
    interrupt: &Interrupt,
) -> Result<Comparison, Stop> {
    let runtime = TokioRuntime::new();
    let public = serve::bind(runtime, "the relay's port", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let path = Loopback::start(runtime, public, routes(answer_bytes), None).await?;
    let (application, public) = (path.application(), path.public());
    path.during(async {
        let direct = measure(application, plan, "direct: ", interrupt).await?;
        let tunnel = match measure(public, plan, "tunnel: ", interrupt).await {
            Err(_) if interrupt.has_come() => None,
            tunnel => Some(tunnel?),
        };
        let ratio = tunnel.as_ref().map(|tunnel| Ratio::new(tunnel, &direct));
        Ok(Comparison { direct, tunnel, ratio })
    })
    .await
}

/// What was compared.
pub(super) fn title(plan: &Plan, answer_bytes: u64) -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{plan}; answers of {answer_bytes} octets\nApplication, relay, sidecar and load share one process, the loopback \
         and {processors} processors."
    )
}

async fn measure(
    address: SocketAddr,
    plan: &Plan,
    name: &str,
    interrupt: &Interrupt,
) -> Result<Figures, Stop> {
    let target = Target::local(address);
    let dialer = Dialer::find(&target, None, plan.timeout).await;
    let dialer = dialer.map_err(|mishap| unreachable(&target, &mishap))?;
    Load::new(&target, dialer, plan.clone()).run(name, interrupt).await
}

/// An application that reads whatever comes, and answers with `octets` dots.
fn routes(octets: u64) -> Router {
    Router::new().fallback(move |mut body: Body| async move {
        // A body that breaks off has nobody left to answer to.
        while let Some(Ok(_)) = body.frame().await {}
        Response::new(Body::new(Filler::new(octets)))
    })
}

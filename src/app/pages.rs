//! The pages of the service: where they are served, and the last plan that one of them shows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{error, info};

use super::scanner::Scanned;
use super::service::ServiceError;
use crate::catalog::CompiledPolicy;
use crate::config::Checked;
use crate::scan::KindOutcome;
use crate::telemetry::{
    PlanFormat, Readiness, ScanRun, Telemetry, debug_router, listen, metrics_router, serve,
};

/// What the last scan did, for `/debug/plan`; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct LastPlan(Arc<Mutex<Option<Value>>>);

impl LastPlan {
    /// Puts another in its place: counts by action and reason, kinds, policies, reports.
    pub(super) fn set(&self, run: &ScanRun, scanned: &Scanned) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan(run, scanned));
    }

    fn show(&self, format: PlanFormat) -> Option<String> {
        let plan = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        match format {
            PlanFormat::Json => Some(plan.to_string()),
            PlanFormat::Text => serde_json::to_string_pretty(&plan).ok().map(|text| text + "\n"),
        }
    }
}

/// Serves all pages until `stop` turns true.
pub(super) async fn serve_all(
    config: &Checked,
    telemetry: &Telemetry,
    readiness: &Readiness,
    last_plan: &LastPlan,
    stop: &watch::Receiver<bool>,
) -> Result<(), ServiceError> {
    if let Some(address) = config.metrics.listen {
        let router = metrics_router(telemetry.clone(), readiness.clone());
        serve_at(address, router, stop, "metrics and health are served").await?;
    }
    if let Some(address) = config.debug.listen {
        let plan = last_plan.clone();
        let router = debug_router(Arc::new(move |format| plan.show(format)));
        serve_at(address, router, stop, "debug pages are served").await?;
    }
    Ok(())
}

async fn serve_at(
    address: SocketAddr,
    router: axum::Router,
    stop: &watch::Receiver<bool>,
    what: &'static str,
) -> Result<(), ServiceError> {
    let listener = listen(address).await?;
    // The port that was given, where any would do.
    let address = listener.local_addr().unwrap_or(address);
    info!(%address, "{what}");
    let mut stop = stop.clone();
    let until = async move {
        let _ = stop.wait_for(|is_stopped| *is_stopped).await;
    };
    tokio::spawn(async move {
        if let Err(failure) = serve(listener, router, until).await {
            error!(%address, "{failure}");
        }
    });
    Ok(())
}

fn plan(run: &ScanRun, scanned: &Scanned) -> Value {
    let totals = &scanned.outcome.totals;
    let mut pairs = BTreeMap::<&str, BTreeMap<&str, u64>>::new();
    for ((action, reason), n) in &totals.pairs.0 {
        pairs.entry(action.as_str()).or_default().insert(reason, *n);
    }
    let reports = &totals.reports;
    json!({
        "schedule": run.schedule, "start": run.start.to_string(), "end": run.end.to_string(),
        "interrupted": scanned.outcome.is_interrupted,
        "resources": totals.n_resources, "pairs": pairs,
        "kinds": scanned.outcome.kinds.iter().map(kind).collect::<BTreeMap<_, _>>(),
        "policies": scanned.catalog.policies.iter().map(|one| policy(one)).collect::<Vec<_>>(),
        "reports": {
            "written": reports.written, "unchanged": reports.unchanged, "deleted": reports.deleted,
            "failed": reports.failed, "foreign": reports.foreign, "adopted": reports.adopted,
        },
    })
}

fn kind(kind: &KindOutcome) -> (&str, Value) {
    let mut shown = json!({"state": kind.state.as_str(), "objects": kind.n_objects});
    if let (Some(shown), Some(message)) = (shown.as_object_mut(), kind.state.message()) {
        shown.insert("message".into(), message.into());
    }
    (&kind.kind, shown)
}

fn policy(policy: &CompiledPolicy) -> Value {
    let warnings: Vec<String> =
        policy.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect();
    let mut shown = json!({"policy": policy.key.to_string(), "standing": policy.standing.as_str()});
    if let Some(shown) = shown.as_object_mut() {
        shown.extend(policy.standing.reason().map(|reason| ("reason".to_owned(), reason.into())));
        if !warnings.is_empty() {
            shown.insert("warnings".into(), warnings.into());
        }
    }
    shown
}

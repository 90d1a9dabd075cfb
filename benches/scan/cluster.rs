//! The rows about a cluster: the workload and the policies in a real API server, scanned by child processes,
//! edited in between.
//!
//! Reports are written in turn by Patrol and by the bare client, and deleted again, so that both meet the
//! same server in the same state.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use http::Method;
use serde_json::{Value, json};

use super::Options;
use super::api::{self, Api, Creation};
use super::child::{Run, Scan};
use super::control_plane::ControlPlaneProcess;
use super::requests::{ApiserverRequest, ApiserverRequests};
use super::service::Service;
use super::table::{Row, Unit, median};

/// The bounds.
const FIRST_SCAN_TIMES: f64 = 1.5;
const RESTART_S: f64 = 1.0;
const RUN_BYTES: f64 = 80e6;
/// How often all reports are written, by Patrol and by the bare client.
const N_ROUNDS: usize = 3;
/// The policy that is edited, which one workload in 29 breaks.
const POLICY: &str = "/apis/kyverno.io/v1/clusterpolicies/disallow-host-path";

/// Measures all rows.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let plane = ControlPlaneProcess::start(&[]).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir = tempfile::tempdir()?;
    let kubeconfig = PathBuf::from(plane.kubeconfig());
    let bench = runtime.block_on(Bench::load(options, dir.path(), &kubeconfig))?;
    let mut rows = Vec::new();
    runtime.block_on(async {
        bench.first_scans(&mut rows).await?;
        bench.restart(&mut rows).await?;
        bench.edits_of_policies(&mut rows).await?;
        bench.edits_of_pods(&mut rows).await?;
        bench.service(&mut rows).await
    })?;
    Ok(rows)
}

/// Puts the workload and the policies into a cluster that is there already.
pub(crate) fn load(options: &Options, kubeconfig: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { fill(options, &Api::connect(kubeconfig).await?).await })?;
    Ok(())
}

/// Installs the definitions, the policies and the objects; how many policies there are.
async fn fill(options: &Options, api: &Api) -> anyhow::Result<u64> {
    api.install(&options.shared.join("crds")).await?;
    let (namespaces, others): (Vec<Value>, Vec<Value>) =
        options.size.objects().partition(|object| super::w4::kind(object) == "Namespace");
    let policies = api::read_yaml(&options.policies())?;
    for objects in [&namespaces, &policies, &others] {
        let creations = objects.iter().map(Creation::of).collect::<anyhow::Result<Vec<_>>>()?;
        api.create_all(&creations).await?;
    }
    Ok(policies.len() as u64)
}

struct Bench<'a> {
    options: &'a Options,
    api: Api,
    kubeconfig: &'a Path,
    dir: &'a Path,
    n_policies: u64,
}

impl<'a> Bench<'a> {
    /// Fills the cluster, and what all measures are taken with.
    async fn load(options: &'a Options, dir: &'a Path, kubeconfig: &'a Path) -> anyhow::Result<Self> {
        let api = Api::connect(kubeconfig).await?;
        let n_policies = fill(options, &api).await?;
        Ok(Self { options, api, kubeconfig, dir, n_policies })
    }

    /// A scan of the cluster with its state in that folder.
    fn scan(&self, state: &str) -> Scan {
        let args = ["--cluster".into(), "--kubeconfig".into(), self.kubeconfig.to_owned()];
        let state = ["--state".into(), self.dir.join(state)];
        Scan::new(args, &self.dir.join("stats.json")).with(state)
    }

    /// The scan that all later ones follow.
    fn next(&self) -> anyhow::Result<Run> {
        self.scan("state").run()
    }

    async fn clear(&self) -> anyhow::Result<()> {
        self.api.delete_reports(self.options.size.n_namespaces).await
    }

    /// A first scan against a bare client that writes the same reports, in turns; the last scan's reports
    /// stay.
    async fn first_scans(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let (mut runs, mut bare, mut reports) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..N_ROUNDS {
            if round % 2 == 1 {
                bare.push(self.write(&reports).await?);
            }
            runs.push(self.scan(&format!("state-{round}")).run()?);
            if round == 0 {
                reports = self.api.reports().await?;
            }
            self.clear().await?;
            if round % 2 == 0 {
                bare.push(self.write(&reports).await?);
            }
        }
        let last = self.next()?;
        let n_judged = self.options.size.n_judged() as u64;
        ensure!(reports.len() as u64 == n_judged, "{} reports, not {n_judged}", reports.len());
        let walls: Vec<Duration> = runs.iter().map(|run| run.wall).collect();
        let (scan_s, alone_s) = (median(walls).as_secs_f64(), median(bare).as_secs_f64());
        rows.push(Row::told("cluster, bare client writes all reports", Unit::Seconds, alone_s));
        let bound = alone_s * FIRST_SCAN_TIMES;
        rows.push(
            Row::at_most("cluster, first scan, all reports written", Unit::Seconds, scan_s, bound)
                .noted(format!("{:.2} × the bare client", scan_s / alone_s.max(f64::MIN_POSITIVE))),
        );
        rows.push(Row::exactly("cluster, first scan: reports written", last.stats.reports_written, n_judged));
        let evaluated = last.stats.evaluated;
        rows.push(Row::exactly("cluster, first scan: pairs", evaluated, n_judged * self.n_policies));
        Ok(())
    }

    /// Writes the reports with a client that was just opened, and deletes them again.
    async fn write(&self, reports: &[Creation]) -> anyhow::Result<Duration> {
        let start = std::time::Instant::now();
        Api::connect(self.kubeconfig).await?.create_all(reports).await?;
        let took = start.elapsed();
        self.clear().await?;
        Ok(took)
    }

    async fn restart(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let before = self.api.counted().await?;
        let first = self.next()?;
        let counted = self.api.counted().await?.since(&before);
        let mut runs = vec![first];
        for _ in 1..self.options.n_runs {
            runs.push(self.next()?);
        }
        let wall = median(runs.iter().map(|run| run.wall).collect());
        let sum = |of: fn(&Run) -> u64| runs.iter().map(of).sum::<u64>();
        let measure = "cluster, restart, nothing changed";
        rows.push(Row::at_most(measure, Unit::Seconds, wall.as_secs_f64(), RESTART_S));
        rows.push(Row::exactly(format!("{measure}: evaluations"), sum(|run| run.stats.evaluated), 0));
        rows.push(Row::exactly(format!("{measure}: writes by Patrol's count"), sum(n_writes), 0));
        let n_others = counted.sum(is_neither_list_nor_discovery);
        let row =
            Row::exactly(format!("{measure}: requests but lists and discovery, at the server"), n_others, 0);
        rows.push(row.noted(told(&counted)));
        Ok(())
    }

    /// Scans after an edit: what was evaluated and written.
    async fn after(&self, measure: &str, expected: (u64, u64), rows: &mut Vec<Row>) -> anyhow::Result<Run> {
        let before = self.api.counted().await?;
        let run = self.next()?;
        let counted = self.api.counted().await?.since(&before);
        let (evaluated, written) = expected;
        let wall = format!("{:.3} s", run.wall.as_secs_f64());
        rows.push(
            Row::exactly(format!("{measure}: pairs evaluated"), run.stats.evaluated, evaluated).noted(wall),
        );
        rows.push(Row::exactly(format!("{measure}: reports written"), run.stats.reports_written, written));
        let at_server = counted.sum(|request| is_write(request) && request.resource.ends_with("reports"));
        rows.push(Row::exactly(format!("{measure}: report writes at the server"), at_server, written));
        Ok(run)
    }

    async fn edits_of_policies(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let condition = json!({
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": "edited",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let status = json!({"status": {"conditions": [condition]}});
        self.api.ask(Method::PATCH, &format!("{POLICY}/status"), api::MERGE_PATCH, &status).await?;
        self.after("cluster, one policy's status edited", (0, 0), rows).await?;

        let annotation = json!({"metadata": {"annotations": {"example.com/note": "edited"}}});
        self.api.ask(Method::PATCH, POLICY, api::MERGE_PATCH, &annotation).await?;
        self.after("cluster, an annotation that no result shows edited", (0, 0), rows).await?;

        let mut policy = self.api.get(POLICY).await?;
        let pattern = policy.pointer_mut("/spec/rules/0/validate/pattern").context("no pattern")?;
        *pattern = json!({"spec": {"=(volumes)": [{"=(hostPath)": {"path": "/var/run"}}]}});
        self.api.put(POLICY, &policy).await?;
        let size = self.options.size;
        let n_broken = (size.first..size.first + size.n_deployments).filter(|i| i.is_multiple_of(29)).count();
        let expected = (size.n_judged() as u64, (n_broken * (1 + size.n_replicas)) as u64);
        self.after("cluster, one policy's rule edited", expected, rows).await?;
        Ok(())
    }

    async fn edits_of_pods(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        let pod = |i: usize| {
            let namespace = format!("team-{}", i % self.options.size.n_namespaces);
            (format!("/api/v1/namespaces/{namespace}/pods/app-{i}-7d9c-0"), namespace)
        };
        let (path, _) = pod(1);
        // Of a Pod's spec little can be edited; a container for debugging can be added, and all policies that
        // read the spec look at it. One reads annotations alone.
        let note = json!({"metadata": {"annotations": {"example.com/note": "edited"}}});
        self.api.ask(Method::PATCH, &path, api::MERGE_PATCH, &note).await?;
        let debug = json!({
            "name": "debug",
            "image": "registry.example.com/debug:v1",
            "securityContext": {"privileged": true},
        });
        let addition = json!({"spec": {"ephemeralContainers": [debug]}});
        let path = format!("{path}/ephemeralcontainers");
        self.api.ask(Method::PATCH, &path, api::STRATEGIC_PATCH, &addition).await?;
        self.after("cluster, one Pod edited", (self.n_policies, 1), rows).await?;

        let (path, namespace) = pod(2);
        let deleted = self.api.get(&path).await?;
        let uid = deleted.pointer("/metadata/uid").and_then(Value::as_str).context("no UID")?;
        self.api.delete(&path).await?;
        let run = self.next()?;
        let is_there = self.api.has(&Api::report_path(&namespace, uid)).await?;
        let measure = "cluster, one Pod deleted";
        rows.push(Row::exactly(format!("{measure}: pairs evaluated"), run.stats.evaluated, 0));
        rows.push(Row::exactly(format!("{measure}: pairs forgotten"), run.stats.forgotten, self.n_policies));
        let note = if run.stats.reports_deleted == 1 {
            "deleted by Patrol"
        } else {
            "deleted by the garbage collector"
        };
        rows.push(Row::exactly(format!("{measure}: its reports left"), u64::from(is_there), 0).noted(note));
        Ok(())
    }

    /// Memory and requests of the service: a first scan that writes everything, and a restart that finds
    /// nothing changed.
    async fn service(&self, rows: &mut Vec<Row>) -> anyhow::Result<()> {
        self.clear().await?;
        let dir = self.dir.join("run");
        std::fs::create_dir(&dir)?;
        let mut first = Service::start(&dir, self.kubeconfig)?;
        let metrics = first.wait_for_scan()?;
        let is_write =
            |labels: &str| !labels.contains("verb=\"list\"") && !labels.contains("verb=\"discover\"");
        let n_written = metrics.sum("patrol_api_requests_total", is_write);
        let first_bytes = first.peak_rss_bytes()?;
        let took = first.stop()?;
        let note = format!("{n_written:.0} writes, then ended within {:.2} s", took.as_secs_f64());
        let row = Row::at_most("run, first scan: peak memory", Unit::Bytes, first_bytes as f64, RUN_BYTES);
        rows.push(row.noted(note));

        let mut again = Service::start(&dir, self.kubeconfig)?;
        let metrics = again.wait_for_scan()?;
        let again_bytes = again.peak_rss_bytes()?;
        again.stop()?;
        let row = Row::at_most("run, restart: peak memory", Unit::Bytes, again_bytes as f64, RUN_BYTES);
        rows.push(row);
        let n_other = metrics.sum("patrol_api_requests_total", is_write);
        let n_all = metrics.sum("patrol_api_requests_total", |_| true);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count is whole and positive"
        )]
        let row =
            Row::exactly("run, restart: requests but lists and discovery, by Patrol", n_other as u64, 0);
        rows.push(row.noted(format!("{n_all:.0} lists and discovery")));
        Ok(())
    }
}

fn n_writes(run: &Run) -> u64 {
    run.stats.reports_written + run.stats.reports_deleted
}

fn is_write(request: &ApiserverRequest) -> bool {
    !matches!(request.verb.as_str(), "GET" | "LIST" | "WATCH")
}

/// What only Patrol could have asked, and should not: everything but lists, discovery, and what the control
/// plane's own parts do all the time (leases, and what the server keeps of itself).
fn is_neither_list_nor_discovery(request: &ApiserverRequest) -> bool {
    let is_read = matches!(request.verb.as_str(), "LIST" | "WATCH" | "WATCHLIST");
    let is_upkeep = request.group == "coordination.k8s.io"
        || request.group == "flowcontrol.apiserver.k8s.io"
        || matches!(request.resource.as_str(), "endpoints" | "endpointslices" | "tokenreviews");
    !is_read && !is_discovery(request) && !is_upkeep
}

/// What is asked of no resource: the kinds that are served, the server's version and metrics.
fn is_discovery(request: &ApiserverRequest) -> bool {
    request.verb == "GET" && (request.resource.is_empty() || request.resource.starts_with('/'))
}

/// The kinds of request with their counts, for people.
fn told(counted: &ApiserverRequests) -> String {
    let mut text = String::new();
    for (request, count) in counted.0.iter().filter(|(request, _)| is_neither_list_nor_discovery(request)) {
        // Writing to a string does not fail.
        let _ = write!(text, "{} {} {}; ", count, request.verb, request.resource);
    }
    let n_lists = counted.sum(|request| request.verb == "LIST");
    let n_discovery = counted.sum(is_discovery);
    let _ = write!(text, "{n_lists} lists, {n_discovery} of discovery, the controllers' among them");
    text
}

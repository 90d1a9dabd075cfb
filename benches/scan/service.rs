//! `patrol run` as a process: started with a configuration, asked through its metrics, ended by SIGTERM.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::child::{self, PATROL};

/// How long a first scan may take.
const DEADLINE: Duration = Duration::from_mins(5);

/// The running service; it is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    address: String,
}

impl Service {
    /// Starts the service with its state, configuration and log in `dir`.
    pub(crate) fn start(dir: &Path, kubeconfig: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = dir.join("patrol.yaml");
        let settings = serde_json::json!({
            "scan": {"schedules": [{"name": "default", "every": "10s", "jitter": "0s"}]},
            "state": {"dir": dir.join("state")},
            "cluster": {"kubeconfig": kubeconfig},
            "metrics": {"listen": address},
            "debug": {"listen": ""},
        });
        std::fs::write(&config, settings.to_string())?;
        let log = File::create(dir.join("patrol.log"))?;
        let child = Command::new(PATROL)
            .args(["run", "--config"])
            .arg(&config)
            // As `deploy/manifests` start it.
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("`{PATROL}` cannot be run"))?;
        Ok(Self { child, address })
    }

    /// Waits until a scan succeeded; the metrics then.
    pub(crate) fn wait_for_scan(&mut self) -> anyhow::Result<Metrics> {
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait()? {
                bail!("`patrol run` ended: {status}");
            }
            let metrics = self.metrics().unwrap_or_default();
            if metrics.sum("patrol_scan_success_timestamp_seconds", |_| true) > 0.0 {
                return Ok(metrics);
            }
            sleep(Duration::from_millis(50));
        }
        bail!("`patrol run` finished no scan within {DEADLINE:?}")
    }

    /// The most memory that it held at once, in bytes.
    pub(crate) fn peak_rss_bytes(&self) -> anyhow::Result<u64> {
        child::peak_rss_bytes(self.child.id())
    }

    /// Ends it as an operator would; how long that took.
    pub(crate) fn stop(&mut self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(killed.success(), "SIGTERM cannot be sent");
        let status = self.child.wait()?;
        ensure!(status.success(), "`patrol run` ended with {status}");
        Ok(start.elapsed())
    }

    fn metrics(&self) -> anyhow::Result<Metrics> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(Metrics(text))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prometheus text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// The sum of a metric over the sets of labels that `wanted` picks.
    pub(crate) fn sum(&self, name: &str, wanted: impl Fn(&str) -> bool) -> f64 {
        let series = self.0.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        let wanted =
            series.filter(|(labels, _)| (labels.is_empty() || labels.starts_with('{')) && wanted(labels));
        wanted.map(|(_, value)| value.trim().parse::<f64>().unwrap_or_default()).sum()
    }
}

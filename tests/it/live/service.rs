//! The program as a service on a real control plane: `patrol run` and `patrol scan --cluster` as processes, with
//! their logs, pages and signals.

mod config;
mod death;
mod leader;
mod outage;
mod rights;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::control_plane::until;
use super::world::World;

/// A folder with a configuration, a kubeconfig and a state, and the services that are started in it.
#[derive(Debug)]
struct Site {
    root: tempfile::TempDir,
}

/// A running `patrol run`; killed when it is dropped.
#[derive(Debug)]
struct Service {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Site {
    /// A site for the cluster of that kubeconfig, with a configuration on top of quick defaults.
    fn new(kubeconfig: &str, config: &Value) -> Self {
        let site = Self { root: tempfile::tempdir().expect("a folder") };
        std::fs::write(site.path("kubeconfig"), kubeconfig).expect("a file");
        site.configure(config);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes the configuration; what it does not say is quick to test with.
    fn configure(&self, config: &Value) {
        let mut whole = json!({
            "scan": {"schedules": [{"name": "all", "every": "10s"}]},
            "state": {"dir": self.path("state")},
            "metrics": {"listen": "127.0.0.1:0"},
            "debug": {"listen": "127.0.0.1:0"},
            "log": {"format": "json"},
            "cluster": {"requestTimeout": "5s"},
        });
        for (section, keys) in config.as_object().expect("sections") {
            for (key, value) in keys.as_object().expect("keys") {
                whole[section][key] = value.clone();
            }
        }
        // As a ConfigMap is swapped: the old content or the new one, nothing between.
        std::fs::write(self.path("new.yaml"), whole.to_string()).expect("a file");
        std::fs::rename(self.path("new.yaml"), self.path("patrol.yaml")).expect("a file");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patrol"));
        command.args(arguments).current_dir(self.root.path()).stdin(Stdio::null());
        for name in ["KUBECONFIG", "PATROL_STATE_DIR", "PATROL_CONFIG", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command
    }

    /// Starts the service as that user, whose context the kubeconfig has.
    fn run(&self, context: &str) -> Service {
        let arguments =
            ["run", "--config", "patrol.yaml", "--kubeconfig", "kubeconfig", "--context", context];
        let mut child =
            self.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a process");
        let log = Arc::<Mutex<Vec<Value>>>::default();
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let entry = serde_json::from_str(&line).unwrap_or_else(|_| json!({"message": line}));
                kept.lock().expect("no panic while locked").push(entry);
            }
        });
        Service { child, log }
    }
}

impl Service {
    /// The messages of the log so far, with their fields.
    fn log(&self) -> String {
        let log = self.log.lock().expect("no panic while locked");
        log.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the log says something; the first entry that does.
    async fn says(&self, what: &str) -> Value {
        self.says_in(what, |_| true).await
    }

    /// Waits until the log says something with fields that are as wanted.
    async fn says_in(&self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let find = || {
            let log = self.log.lock().expect("no panic while locked");
            log.iter().find(|entry| entry.to_string().contains(what) && is_wanted(entry)).cloned()
        };
        let start = Instant::now();
        loop {
            if let Some(entry) = find() {
                return entry;
            }
            assert!(
                start.elapsed() < Duration::from_secs(90),
                "the log does not say `{what}`:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn address(&self, what: &str) -> String {
        self.says(what).await["address"].as_str().expect("an address").to_owned()
    }

    /// The status and text of a page on the address of metrics.
    async fn page(&self, path: &str) -> (u16, String) {
        get(&self.address("metrics and health are served").await, path)
    }

    async fn plan(&self) -> Value {
        let (code, text) = get(&self.address("debug pages are served").await, "/debug/plan?format=json");
        assert_eq!(code, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The value of a series that counts something; 0 if there is none.
    async fn metric(&self, series: &str) -> i64 {
        let (_, text) = self.page("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// Waits until a series has at least that value.
    async fn reaches(&self, series: &str, value: i64) {
        until(&format!("{series} reaches {value}; the log:\n{}", self.log()), async || {
            (self.metric(series).await >= value).then_some(())
        })
        .await;
    }

    /// Waits for the end of the next scan that starts from now on; what the log says of it.
    async fn next_scan(&self) -> Value {
        let n_before = self.scans().len();
        until(&format!("a scan ends; the log:\n{}", self.log()), async || self.scans().get(n_before).cloned())
            .await
    }

    /// What the log says of all scans that ended.
    fn scans(&self) -> Vec<Value> {
        let log = self.log.lock().expect("no panic while locked");
        log.iter().filter(|entry| entry["message"] == "scan ends").cloned().collect()
    }

    fn kill(&mut self) {
        self.child.kill().expect("a process that runs");
        self.child.wait().expect("its end");
    }

    /// Sends a signal, and waits for the end, which has to come within ten seconds; the exit code.
    fn end(&mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                return status.code();
            }
            assert!(start.elapsed() < Duration::from_secs(10), "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        assert!(!log.contains("panicked at") || std::thread::panicking(), "{log}");
    }
}

/// Work that a scan told in the log: evaluated, reports written, reports deleted.
fn work(scan: &Value) -> [u64; 3] {
    ["evaluated", "reports_written", "reports_deleted"].map(|field| scan[field].as_u64().expect("a count"))
}

fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").expect("a request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).expect("a status").parse().expect("a number"), body.to_owned())
}

/// Three red Pods under a policy that wants blue ones.
async fn three_red_pods(ns: &str) -> Option<World> {
    let world = World::begin(ns).await?;
    for name in ["a", "b", "c"] {
        world.pod(name, "red").await;
    }
    world.policy("blue", "blue").await;
    Some(world)
}

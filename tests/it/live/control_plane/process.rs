//! The control plane for tests as a process: builds the program of `tests/cluster/` when it must be
//! built, starts it, sends it commands and ends it. It needs nothing but the standard library and
//! `serde_json`, and returns every failure as a message, so that benchmark programs include this file
//! too, by `#[path]`. Deliberately without any Kubernetes client and without a runtime: all calls block.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running control plane; dropping it ends all its processes and waits until they are gone.
///
/// The program ends with its standard input, so a killed test leaves nothing behind either.
#[derive(Debug)]
pub(crate) struct ControlPlaneProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    ready: Value,
    pids: BTreeMap<String, u64>,
}

impl ControlPlaneProcess {
    /// Builds the program if its sources changed (minutes, and Go, the first time), starts it and waits
    /// until the API server is ready (about 5 s). `apiserver_args` are added to the API server's command
    /// line.
    pub(crate) fn start(apiserver_args: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(build()?);
        command.arg("up").stdin(Stdio::piped()).stdout(Stdio::piped());
        for arg in apiserver_args {
            command.args(["--apiserver-arg", arg]);
        }
        let mut child =
            command.spawn().map_err(|error| format!("the control plane cannot be run: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the control plane runs without pipes".to_owned());
        };
        let mut started = Self {
            child,
            input: Some(input),
            output: BufReader::new(output),
            ready: Value::Null,
            pids: BTreeMap::new(),
        };
        started.ready = started.read_line()?;
        Ok(started)
    }

    /// The API server's URL, `https://127.0.0.1:PORT`; it stays the same when the API server is started
    /// again.
    pub(crate) fn server(&self) -> &str {
        self.text("/server")
    }

    /// The path of a kubeconfig with one context for each of the users `admin` (the current one; may do
    /// everything), `patrol` (no rights but those that RBAC objects give to the user of this name) and
    /// `nobody` (no rights).
    pub(crate) fn kubeconfig(&self) -> &str {
        self.text("/kubeconfig")
    }

    /// The URL of etcd, plain HTTP, without authentication.
    pub(crate) fn etcd(&self) -> &str {
        self.text("/etcd")
    }

    /// Whether controllers run: the garbage collector and those of namespaces. With `KUBEBUILDER_ASSETS`
    /// none do.
    pub(crate) fn has_garbage_collector(&self) -> bool {
        self.ready.pointer("/garbage_collector") == Some(&Value::Bool(true))
    }

    /// The process ids of the components that run, by name, and of the program itself as `up`.
    pub(crate) fn pids(&self) -> BTreeMap<String, u64> {
        let mut pids = self.pids.clone();
        pids.insert("up".to_owned(), u64::from(self.child.id()));
        pids
    }

    /// Kills the API server: connections break, and new ones are refused.
    pub(crate) fn stop_apiserver(&mut self) -> Result<(), String> {
        self.command("stop-apiserver")
    }

    /// Starts the API server again, with the data, port and credentials that it had, and waits until it
    /// is ready.
    pub(crate) fn start_apiserver(&mut self) -> Result<(), String> {
        self.command("start-apiserver")
    }

    /// Restarts the controllers, which then know the kinds that were installed since they started; by
    /// themselves they look every 30 s.
    pub(crate) fn restart_controllers(&mut self) -> Result<(), String> {
        self.command("restart-controllers")
    }

    /// Kills the program itself with SIGKILL, as a machine short of memory would.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.child.kill().map_err(|error| error.to_string())
    }

    fn command(&mut self, command: &str) -> Result<(), String> {
        let input = self.input.as_mut().ok_or("the control plane has no input any more")?;
        writeln!(input, "{command}").map_err(|error| format!("`{command}`: {error}"))?;
        let reply = self.read_line()?;
        match reply.get("error").and_then(Value::as_str) {
            Some(error) => Err(format!("`{command}`: {error}")),
            None => Ok(()),
        }
    }

    /// Reads one line of JSON and takes over the process ids that it tells.
    fn read_line(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        if line.is_empty() {
            return Err("the control plane ended; its standard error says why".to_owned());
        }
        let value: Value = serde_json::from_str(&line).map_err(|error| format!("`{line}`: {error}"))?;
        if let Some(pids) = value.get("pids").and_then(Value::as_object) {
            self.pids = pids.iter().filter_map(|(name, pid)| Some((name.clone(), pid.as_u64()?))).collect();
        }
        Ok(value)
    }

    fn text(&self, pointer: &str) -> &str {
        self.ready.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Drop for ControlPlaneProcess {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has nothing left to report, and no way to be waited for again.
        let _ = self.child.wait();
    }
}

/// Builds the program unless its stamp says that it is built, and returns its path.
fn build() -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/build");
    let built = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{}` cannot be run: {error}", script.display()))?;
    if !built.status.success() {
        return Err(format!("`{}` failed ({})", script.display(), built.status));
    }
    Ok(String::from_utf8_lossy(&built.stdout).trim().to_owned())
}

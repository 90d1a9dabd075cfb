//! cel-go, measured by the Go program of ours in `tests/cel-goldens`, one request at a time so that only one
//! side runs at once.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rows::Row;

/// How cel-go runs an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A program without options, as Kyverno compiles it
    Plain,
    /// With cost tracking, limits and interrupts, as the API server compiles it
    ApiServer,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ApiServer => "apiserver",
        }
    }
}

/// The running Go program.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What one evaluation costs the peer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Cost {
    pub(crate) nanos: f64,
    pub(crate) allocations: f64,
}

impl Peer {
    /// Builds the program into a folder and starts it on a workload.
    pub(crate) fn start(dir: &Path, object: &str, rows: &[Row]) -> anyhow::Result<Self> {
        let program = dir.join("cel-goldens");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cel-goldens");
        let built =
            Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).status();
        ensure!(built.context("Go is needed for the comparison")?.success(), "the Go program does not build");
        let mut child =
            Command::new(program).arg("bench").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let mut peer = Self { child, input, output };
        let rows: Vec<Value> = rows.iter().map(described).collect();
        peer.say(&json!({"object": serde_json::from_str::<Value>(object)?, "rows": rows}))?;
        Ok(peer)
    }

    /// The values that both ways have for the next row, in the order of the rows.
    pub(crate) fn values(&mut self) -> anyhow::Result<[String; 2]> {
        let values: Value = self.hear()?;
        let of =
            |way: Way| values.get(way.name()).and_then(Value::as_str).map(str::to_owned).context("no value");
        Ok([of(Way::Plain)?, of(Way::ApiServer)?])
    }

    /// Measures a row for at least some nanoseconds of processor time.
    pub(crate) fn measure(&mut self, row: usize, way: Way, nanos: u64) -> anyhow::Result<Cost> {
        self.say(&json!({"row": row, "way": way.name(), "nanos": nanos}))?;
        self.hear()
    }

    fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(writeln!(self.input, "{message}")?)
    }

    fn hear<T: for<'a> Deserialize<'a>>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the Go program has ended");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has no state worth a clean end, and it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn described(row: &Row) -> Value {
    let variables = row.variables.iter().map(|(name, text)| json!({"name": name, "expression": text}));
    json!({"expression": row.expression, "variables": variables.collect::<Vec<_>>()})
}

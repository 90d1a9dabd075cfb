//! The state store: one suite over every body, and what only the one on disk must stand: damage, kills,
//! locks, a full disk.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

mod children;
mod crash;
mod damage;
mod layout;
mod load;
mod lock;
mod space;
mod suite;
mod time;

/// Names what a child process shall do; without it [`children::child_process_body`] does nothing.
const CHILD_ROLE: &str = "PATROL_STORE_TEST_CHILD";
/// The state folder of a child process.
const CHILD_PATH: &str = "PATROL_STORE_TEST_PATH";
/// What a child prints is marked so, since the test harness prints as well.
const CHILD_SAYS: &str = "@ ";

/// A small random generator (splitmix64), the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// This test binary in another process, playing a role; killed when dropped.
struct ChildProcess {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl ChildProcess {
    fn start(role: &str, path: &Path) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), role, path)
    }

    fn start_by(mut command: Command, role: &str, path: &Path) -> Self {
        let mut child = command
            .args(["--exact", "store::children::child_process_body", "--nocapture", "--test-threads=1"])
            .env(CHILD_ROLE, role)
            .env(CHILD_PATH, path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing it says; `None` once it ended.
    fn hear(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.ok()?;
            // The harness prints the name of the test without a line break before the first line.
            if let Some((_, said)) = line.split_once(CHILD_SAYS) {
                return Some(said.to_owned());
            }
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

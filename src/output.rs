//! What people and programs read: tables, JSON, YAML, `JUnit` and SARIF.
//!
//! Everything is written to a writer that the caller gives; nothing here decides what is shown, opens files
//! or asks the environment. Text that comes from policies and objects is made safe for its medium: no control
//! characters on a terminal, escaped in XML.

mod findings;
mod junit;
mod objects;
mod sarif;
mod table;
#[cfg(test)]
mod tests;

pub use findings::{Finding, findings_table, junit_of, summary_table};
pub use junit::{JunitCase, JunitState, write_junit};
pub use objects::{write_json_list, write_yaml, write_yaml_list};
pub use sarif::write_sarif;
pub use table::{Style, Table};

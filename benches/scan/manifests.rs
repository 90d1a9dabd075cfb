//! The workload as files: JSON documents behind `---`, one JSON `List`, and block-style YAML.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use patrol::output;
use serde_json::Value;

/// How manifests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One JSON document a line, each behind `---`.
    JsonDocuments,
    /// One JSON `List`.
    JsonList,
    /// YAML documents in block style.
    Yaml,
}

impl Layout {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::JsonDocuments, Self::JsonList, Self::Yaml];

    /// The name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::JsonDocuments => "JSON documents",
            Self::JsonList => "JSON List",
            Self::Yaml => "block YAML",
        }
    }

    /// The file's name.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::JsonDocuments => "documents.yaml",
            Self::JsonList => "list.json",
            Self::Yaml => "block.yaml",
        }
    }

    /// Writes the objects to a file; its size in bytes.
    pub(crate) fn write(self, path: &Path, objects: impl Iterator<Item = Value>) -> anyhow::Result<u64> {
        let mut out = BufWriter::new(File::create(path)?);
        if self == Self::JsonList {
            out.write_all(br#"{"apiVersion":"v1","kind":"List","items":["#)?;
        }
        for (at, object) in objects.enumerate() {
            match self {
                Self::JsonDocuments => {
                    out.write_all(b"---\n")?;
                    serde_json::to_writer(&mut out, &object)?;
                    out.write_all(b"\n")?;
                }
                Self::JsonList => {
                    out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
                    serde_json::to_writer(&mut out, &object)?;
                }
                Self::Yaml => {
                    out.write_all(b"---\n")?;
                    output::write_yaml(&mut out, &object)?;
                }
            }
        }
        if self == Self::JsonList {
            out.write_all(b"\n]}\n")?;
        }
        out.flush()?;
        Ok(std::fs::metadata(path)?.len())
    }
}

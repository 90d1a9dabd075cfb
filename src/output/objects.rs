//! Kubernetes objects for programs: a `List` as JSON or YAML.

use std::io::{self, Write};

use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'i, T> {
    api_version: &'static str,
    items: &'i [T],
    kind: &'static str,
}

impl<'i, T> List<'i, T> {
    fn of(items: &'i [T]) -> Self {
        Self { api_version: "v1", items, kind: "List" }
    }
}

/// Writes a `List` of objects as indented JSON with a final newline.
pub fn write_json_list<T: Serialize>(out: &mut dyn Write, items: &[T]) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &List::of(items))?;
    writeln!(out)
}

/// Writes a `List` of objects as block-style YAML that YAML 1.1 and 1.2 readers understand alike.
pub fn write_yaml_list<T: Serialize>(out: &mut dyn Write, items: &[T]) -> io::Result<()> {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    serde_saphyr::to_io_writer_with_options(&mut Plain(out), &List::of(items), options)
        .map_err(io::Error::other)
}

/// A sized writer over an unsized one.
struct Plain<'w>(&'w mut dyn Write);

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes one object as block-style YAML.
pub fn write_yaml<T: Serialize>(out: &mut dyn Write, item: &T) -> io::Result<()> {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    serde_saphyr::to_io_writer_with_options(&mut Plain(out), item, options).map_err(io::Error::other)
}

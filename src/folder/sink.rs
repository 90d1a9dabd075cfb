//! A folder as a [`Sink`]: a YAML file a report, below a folder a namespace. The digest of a file's bytes
//! stands for the resourceVersion.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::parse_yaml;
use crate::document::Document;
use crate::fingerprint;
use crate::model::ResourceId;
use crate::report::{
    ActualReport, MANAGED_BY, MANAGED_BY_LABEL, Ownership, ReportApi, ReportWrite, Sink, SinkError,
};

/// The folder below which reports without a namespace stand.
const CLUSTER_FOLDER: &str = "_cluster";

/// Reports as files.
#[derive(Debug)]
pub struct FolderSink {
    root: PathBuf,
    api: ReportApi,
}

impl FolderSink {
    /// Opens the folder, which is made by the first write if needed.
    pub fn open(root: &Path, api: ReportApi) -> io::Result<Self> {
        if root.exists() && !root.is_dir() {
            let message = format!("`{}` is not a folder", root.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        Ok(Self { root: root.to_owned(), api })
    }

    fn path(&self, namespace: &str, name: &str) -> PathBuf {
        let folder = if namespace.is_empty() { CLUSTER_FOLDER } else { namespace };
        self.root.join(folder).join(format!("{name}.yaml"))
    }

    fn visit(&self, visit: &mut (dyn FnMut(ActualReport) + Send)) -> io::Result<()> {
        let folders = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            let namespace = folder.file_name().to_string_lossy().into_owned();
            for file in fs::read_dir(folder.path())? {
                let path = file?.path();
                let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else {
                    continue;
                };
                if path.extension().is_none_or(|extension| extension != "yaml") {
                    continue;
                }
                let bytes = fs::read(&path)?;
                let namespace = if namespace == CLUSTER_FOLDER { String::new() } else { namespace.clone() };
                visit(self.actual(namespace, name, &bytes));
            }
        }
        Ok(())
    }

    fn actual(&self, namespace: String, name: String, bytes: &[u8]) -> ActualReport {
        let document = std::str::from_utf8(bytes).ok().and_then(|text| parse_yaml(text).ok());
        let text = |path: &[&str]| {
            let root = document.as_ref().map(Document::root);
            root.and_then(|root| root.path(path)?.as_str().map(str::to_owned))
        };
        let is_ours = text(&["metadata", "labels", MANAGED_BY_LABEL]).as_deref() == Some(MANAGED_BY)
            && text(&["apiVersion"]) == Some(self.api.api_version());
        let gvk = crate::model::Gvk::new(
            &text(&["scope", "apiVersion"]).unwrap_or_default(),
            &text(&["scope", "kind"]).unwrap_or_default(),
        );
        ActualReport {
            namespace,
            name,
            uid: String::new(),
            resource_version: fingerprint::of_bytes(bytes).to_string(),
            ownership: if is_ours { Ownership::Ours } else { Ownership::Foreign },
            owner_kind: Some((gvk.group, gvk.kind)),
        }
    }

    fn put(&self, scope: &ResourceId, json: &[u8]) -> io::Result<String> {
        let path = self.path(&scope.key.namespace, &scope.uid);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let value: serde_json::Value = serde_json::from_slice(json)?;
        let mut yaml = Vec::new();
        crate::output::write_yaml(&mut yaml, &value)?;
        // A file is whole or not there: a reader never meets half a report.
        let part = path.with_extension("part");
        fs::write(&part, &yaml)?;
        fs::rename(&part, &path)?;
        Ok(fingerprint::of_bytes(&yaml).to_string())
    }

    fn carry_out(&self, write: &ReportWrite) -> io::Result<String> {
        match write {
            ReportWrite::Put { scope, json, .. } => self.put(scope, json),
            ReportWrite::Delete { namespace, name, .. } => {
                match fs::remove_file(self.path(namespace, name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(String::new()),
                }
            }
        }
    }
}

fn failed(root: &Path, error: &io::Error) -> SinkError {
    SinkError { message: format!("`{}`: {error}", root.display()), is_transient: true }
}

impl Sink for FolderSink {
    fn each_actual<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(ActualReport) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        async move { self.visit(visit).map_err(|error| failed(&self.root, &error)) }.boxed()
    }

    fn read<'a>(&'a self, scope: &'a ResourceId) -> BoxFuture<'a, Result<Option<Vec<u8>>, SinkError>> {
        async move {
            let text = match fs::read_to_string(self.path(&scope.key.namespace, &scope.uid)) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(&self.root, &error)),
            };
            Ok(parse_yaml(&text).ok().map(|document| document.root().to_json().into_bytes()))
        }
        .boxed()
    }

    fn write<'a>(&'a self, write: &'a ReportWrite) -> BoxFuture<'a, Result<String, SinkError>> {
        async move { self.carry_out(write).map_err(|error| failed(&self.root, &error)) }.boxed()
    }
}

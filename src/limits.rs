//! Every bound of the engine, with its reason. A bound is counted and reported where it bites, never silent.
//!
//! Operators' own settings are in `config`; what stands here protects Patrol from its input.

/// The largest object that is read, in bytes: eight times what etcd accepts by default, and far below what a tape can address.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// The deepest nesting that is read, in levels: real objects stay below 40, serde's own guard stands at 128.
pub const DOCUMENT_DEPTH_MAX: usize = 120;

/// The most resource filters of one configuration: Kyverno's own ConfigMap has about 60, and each is tried for each resource.
pub const RESOURCE_FILTERS_MAX: usize = 1000;

/// The most kinds whose policies an index remembers: clusters serve a few hundred, and a folder can name any number.
pub const INDEXED_KINDS_MAX: usize = 4096;

/// The most warnings that are kept of one policy: a file that is no policy at all would give one a line.
pub const POLICY_WARNINGS_MAX: usize = 100;

/// The most policies of one catalog: large installations have some hundreds, and every resource is matched against all of them.
pub const POLICIES_MAX: usize = 10_000;

/// The most rules of one policy, autogen included: Kyverno's own webhook gets slow at a hundred.
pub const POLICY_RULES_MAX: usize = 1000;
/// The largest manifest file that is read, in bytes: some 100,000 objects; it is held in memory while the scan lasts.
pub const MANIFEST_FILE_BYTES_MAX: u64 = 512 << 20;

/// How deep folders of manifests are followed, in levels: far beyond any real layout.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// The most YAML nodes in one document, aliases expanded: two bytes a node is the least that YAML takes, so this admits whatever
/// real object fits [`DOCUMENT_BYTES_MAX`] and stops alias bombs.
pub const YAML_NODES_MAX: usize = 4 << 20;

/// The deepest nesting that is read from YAML, in levels: its parser takes 25 KB of stack a level in a build without optimisation, and
/// must fit the 2 MB of a thread.
pub const YAML_DEPTH_MAX: usize = 64;

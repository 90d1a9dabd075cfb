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
/// The longest JMESPath expression, in bytes: far beyond any policy's, and its tree stays small.
pub const JMESPATH_TEXT_BYTES_MAX: usize = 64 << 10;

/// The levels of a JMESPath expression: evaluation recurses once a level, real expressions stay below 30.
pub const JMESPATH_HEIGHT_MAX: usize = 160;

/// The steps that all JMESPath evaluations of one rule on one resource may take: about 50 ms, while real rules take hundreds.
pub const JMESPATH_STEPS_MAX: u64 = 1_000_000;

/// How much text a JMESPath function may make for one step, in bytes: with the step limit, 64 MiB in all.
pub const JMESPATH_TEXT_BYTES_PER_STEP: usize = 64;

/// The longest value that a JMESPath error message quotes, in bytes: an error must not carry a whole object around.
pub const JMESPATH_MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Longest text read as a Kubernetes quantity, in bytes. Real quantities have under 30; the bound keeps
/// exact arithmetic on hostile input cheap.
pub const QUANTITY_TEXT_BYTES_MAX: usize = 1024;

/// Largest magnitude of a decimal exponent in a quantity. The API server's own types end at 10^18; the
/// bound keeps aligning two quantities from allocating without end.
pub const QUANTITY_EXPONENT_MAX: i32 = 4096;

/// Longest regular expression that is compiled, in bytes; beyond it the expression is "too large" in Go's
/// words.
pub const REGEXP_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting of a regular expression. Go allows 1,000; the compiler recurses on worker stacks, and
/// real expressions stay under 10.
pub const REGEXP_NESTING_MAX: u32 = 200;

/// Memory that one compiled regular expression may take, in bytes.
pub const REGEXP_COMPILED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How many different conditional and existence anchors a pattern may have: presence is recorded in the bits of a word; real patterns
/// have fewer than ten.
pub const PATTERN_ANCHORS_MAX: usize = 64;

/// How often variables that came out of a substitution are substituted again: nested variables in real policies need two or three
/// rounds, and a label whose value is a variable that names itself would never end.
pub const SUBSTITUTION_ROUNDS_MAX: usize = 64;
/// How often JMESPath's `random` repeats what a pattern leaves open (`x*`), as the generator that Kyverno uses.
pub const JMESPATH_RANDOM_REPEAT_MAX: usize = 4096;

/// The most public keys that one attestor of a policy stands for: real ones have a handful.
pub const ATTESTOR_KEYS_MAX: usize = 64;

/// How deep attestors of a policy are nested, in levels: real ones have two.
pub const ATTESTORS_DEPTH_MAX: usize = 8;

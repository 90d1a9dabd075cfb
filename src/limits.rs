//! Every bound of the engine, with its reason. A bound is counted and reported where it bites, never silent.
//!
//! Operators' own settings are in `config`; what stands here protects Patrol from its input.

/// The largest object that is read, in bytes: eight times what etcd accepts by default, and far below what a tape can address.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// The deepest nesting that is read, in levels: real objects stay below 40, serde's own guard stands at 128.
pub const DOCUMENT_DEPTH_MAX: usize = 120;

/// The longest CEL expression that is read, in characters: cel-go's own bound, which the API server keeps.
pub const CEL_EXPRESSION_CHARS_MAX: usize = 100_000;

/// The deepest CEL expression, in levels: cel-go's own bound; parser, checker and evaluator recurse once a
/// level.
pub const CEL_EXPRESSION_DEPTH_MAX: usize = 250;

/// The least stack, in bytes, of a thread that compiles or evaluates CEL: the deepest expression takes under
/// 3 MiB in a build without optimisation.
pub const CEL_STACK_BYTES_MIN: usize = 4 << 20;

/// Faults that are told of one expression: each brings its line along, so that all of a long one would make a
/// text of its length squared. The API server's bound too.
pub const CEL_FAULTS_MAX: usize = 100;

/// Faults of an expression beyond which a chain of `optMap` does not list each twice, as every link would: far more
/// than are told.
pub const CEL_DOUBLED_MAX: usize = 1_000;

/// The cost of one CEL expression as the API server counts it: its bound for a call.
pub const CEL_COST_PER_CALL_MAX: u64 = 1_000_000;

/// The cost of all CEL expressions of one policy and object: the API server's bound.
pub const CEL_COST_PER_POLICY_MAX: u64 = 10_000_000;

/// The cost of one CEL expression of Kyverno's policies, which the reference does not bound: ten times the
/// API server's, about a second.
pub const CEL_COST_PER_KYVERNO_CALL_MAX: u64 = 10_000_000;

/// The longest string or list that one CEL function makes, in bytes or items: below it, the cost bound
/// decides.
pub const CEL_RESULT_SIZE_MAX: usize = 16 << 20;

/// How many sources (clusters, sets of folders) one state keeps: enough to scan several folders in turn, bounded so that forgotten ones go.
pub const STATE_SOURCES_MAX: usize = 16;

// State (`store/`).

/// Bytes of one key of the state. Longer than any group, kind, namespace, name and policy name joined.
pub const STATE_KEY_BYTES_MAX: usize = 2 * 1024;
/// Bytes of one stored value. A verdict is kilobytes; the largest object a server accepts is about 3 MB.
pub const STATE_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one row in the database; longer values are split. sled puts up to 18 rows on a page, and
/// makes a file of its own of each page from 128 KiB: 18 rows of this size, with keys of the largest
/// size, stay below.
pub const STATE_ROW_BYTES_MAX: usize = 4 * 1024;
/// Writes applied as one atomic batch. More pins too much of sled's log at once, fewer costs time.
pub const STATE_BATCH_ROWS_MAX: usize = 2_000;
/// Bytes of keys and values applied as one atomic batch; at least one value of the largest size fits.
pub const STATE_BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of sled's page cache. Its default is 1 GiB; a scan must stay below 80 MB altogether. sled counts a
/// page only after 64 accesses to its shard of 256, so that a walk over 70,000 rows of 300 bytes keeps
/// about 38 MB whatever is set here, and 280,000 rows keep 60 to 75 MB.
pub const STATE_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Milliseconds between background flushes; what a power cut may lose between explicit flushes.
pub const STATE_FLUSH_EVERY_MS: u64 = 500;
/// Seconds an open may take before the scan goes on without state. 200,000 rows open in 0.12 s.
pub const STATE_OPEN_SECS_MAX: u64 = 30;
/// Seconds one read, batch or flush may take before the store counts as hung; slow network disks fit.
pub const STATE_CALL_SECS_MAX: u64 = 60;
/// Seconds a compaction may take before the store counts as hung.
pub const STATE_COMPACT_SECS_MAX: u64 = 600;
/// Seconds a close may take; half of what the service has for its exit after SIGTERM.
pub const STATE_CLOSE_SECS_MAX: u64 = 5;
/// Seconds that letting go of a sled handle may take before it is left to itself. Its threads may be
/// dead or blocked; shorter than a close, which lets go of the folder after it.
pub const STATE_DROP_SECS_MAX: u64 = 3;
/// Milliseconds to wait for a database that this process closed a moment ago to let go of its file.
pub const STATE_LOCK_WAIT_MS_MAX: u64 = 3_000;
/// Bytes on disk below which a compaction is not worth its writes.
pub const STATE_COMPACT_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// How many times its live bytes the state may take on disk before it is rewritten.
pub const STATE_COMPACT_RATIO: u64 = 4;
/// Rebuilds of a damaged state in one process; after that the disk is at fault, and the state is left off.
pub const STATE_REBUILDS_MAX: u32 = 3;
/// Damaged databases kept beside the live one for inspection.
pub const STATE_QUARANTINES_MAX: usize = 1;
/// Bytes of a damaged database that is kept; a larger one is deleted, or the volume fills up.
pub const STATE_QUARANTINE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Rows read in one step of a walk over the state; others get their turn between steps.
pub const STATE_PAGE_ROWS_MAX: usize = 512;
/// Bytes read in one step of a walk over the state (a single larger value still passes).
pub const STATE_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// How often one evaluation may ask for more facts before it is given up: each round may need what the round before named, as nested context entries do.
pub const FACT_ROUNDS_MAX: usize = 24;

/// How many lines of a plan are told one by one; the rest is counted.
pub const PLAN_LINES_MAX: usize = 10_000;

/// How many objects one worker takes at once: large enough to share look-ups, small enough to keep all workers busy.
pub const CHUNK_OBJECTS_MAX: usize = 64;

/// How many chunks a worker may have under way: one that it works on, and one whose reports are being written
/// meanwhile. Each holds up to 64 reports of some 10 KB until the server has taken them.
pub const CHUNKS_PER_WORKER: usize = 2;

/// How many kinds are listed at once: small kinds are mostly waiting for the server.
pub const KINDS_LISTED_AT_ONCE: usize = 4;

/// How often the list of one kind starts again after it expired (410) within one scan.
pub const LIST_RESTARTS_MAX: usize = 3;
/// The most resource filters of one configuration: Kyverno's own ConfigMap has about 60, and each is tried for each resource.
pub const RESOURCE_FILTERS_MAX: usize = 1000;

/// The most kinds whose policies an index remembers: clusters serve a few hundred, and a folder can name any number.
pub const INDEXED_KINDS_MAX: usize = 4096;
// Configuration, schedules and telemetry.

/// Seconds between two runs of a schedule at least: a scan of an unchanged cluster still lists everything.
pub const SCHEDULE_EVERY_SECS_MIN: u64 = 10;
/// Seconds after which a run counts as missed by the trigger: it wakes within two.
pub const WATCHDOG_GRACE_SECS: u64 = 5;
/// Seconds after which the clock is looked at in any case: timers stand still while a machine sleeps, and clocks are set.
pub const WATCHDOG_LOOK_SECS_MAX: u64 = 60;
/// Seconds that a call to the trigger may take; it answers over channels that lose messages when they are full.
pub const TRIGGER_CALL_SECS_MAX: u64 = 5;
/// The most schedules of one configuration; each has a place in the queue, a label in metrics and a line in the state.
pub const SCHEDULES_MAX: usize = 64;
/// Bytes of a configuration file at most: a ConfigMap, which is where it usually comes from, holds no more.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The most mistakes of one configuration that are told one by one; beyond, the rest is counted.
pub const CONFIG_MISTAKES_MAX: usize = 100;
/// Entries of one list in the configuration: excluded namespaces and labels are tried for each resource.
pub const CONFIG_LIST_MAX: usize = 1000;
/// Series of one metric at most: 200 policies in 100 namespaces with two statuses; Prometheus itself grows slow on more.
pub const METRIC_SERIES_MAX: usize = 40_000;
/// Seconds for which open connections are let finish when a server stops; SIGTERM leaves ten in all.
pub const HTTP_DRAIN_SECS_MAX: u64 = 2;
/// The longest JMESPath expression, in bytes: far beyond any policy's, and its tree stays small.
pub const JMESPATH_TEXT_BYTES_MAX: usize = 64 << 10;

/// The levels of a `JMESPath` expression: evaluation recurses once a level, real expressions stay below 30.
pub const JMESPATH_HEIGHT_MAX: usize = 160;

/// The steps that all `JMESPath` evaluations of one rule on one resource may take; real rules take hundreds.
pub const JMESPATH_STEPS_MAX: u64 = 1_000_000;

/// How much text a `JMESPath` function may make for one step, in bytes: with the step limit, 16 MB in all.
pub const JMESPATH_TEXT_BYTES_PER_STEP: usize = 16;

/// The longest value that a `JMESPath` error message quotes, in bytes: an error must not carry a whole object around.
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

// The cluster (`cluster/`).

/// The most objects of one page of a list: what the API server's own clients take, so that its page cache
/// helps.
pub const LIST_PAGE_OBJECTS_MAX: u32 = 500;

/// The size that a page of a list is aimed at, in bytes: a few of them at once must fit into the 80 MB of the
/// service. Pages of 500 Pods stay below; of kinds with large objects, fewer are taken at once.
pub const LIST_PAGE_BYTES_AIM: usize = 6 << 20;

/// The most bytes of a reply that are read: one object of [`DOCUMENT_BYTES_MAX`] with what surrounds it. A
/// longer page is asked for again in smaller pieces.
pub const REPLY_BYTES_MAX: usize = DOCUMENT_BYTES_MAX + (1 << 20);

/// The most bytes of a refusal that are read: it is one sentence.
pub const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// The longest wait that a server's Retry-After may ask for; a scan that hears more goes on without.
pub const RETRY_AFTER_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// The longest wait between two tries that Patrol chooses itself.
pub const BACKOFF_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// How often one report is written anew after a conflict: each time somebody else has changed it in between.
pub const WRITE_CONFLICTS_MAX: usize = 5;

/// How long a connection to a service or a registry may take to be made.
pub const OUTSIDE_CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// How long an idle connection to a service or a registry is kept: for the next of a scan's questions, not for
/// the next scan.
pub const OUTSIDE_IDLE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// How long one request to a registry may take, from the connection to the last byte.
pub const REGISTRY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// For how long a registry that could not be reached is not tried again: one that is down costs a scan one
/// time-out, not one an image.
pub const REGISTRY_DOWN_FOR: std::time::Duration = std::time::Duration::from_mins(1);

/// How often one request is led elsewhere: registries do it once, to where their blobs are.
pub const REGISTRY_REDIRECTS_MAX: usize = 5;

/// The most bytes of the answer with a token: tokens have some kilobytes.
pub const REGISTRY_TOKEN_BYTES_MAX: usize = 64 << 10;

/// The most repositories whose tokens are kept at once.
pub const REGISTRY_TOKENS_MAX: usize = 1000;

/// The most bytes of a manifest or an index: what the distribution specification asks of registries.
pub const IMAGE_MANIFEST_BYTES_MAX: usize = 4 << 20;

/// The most bytes of an image's configuration: Kyverno's bound for what it reads of an image.
pub const IMAGE_CONFIG_BYTES_MAX: usize = 10 << 20;

/// The most signatures or attestations that are attached to one image: Kyverno's bound for referrers.
pub const ATTACHED_LAYERS_MAX: usize = 50;

/// The most bytes of all signatures or attestations of one image: Kyverno's bound for one of them, which an SBOM
/// comes near.
pub const ATTACHED_BYTES_MAX: usize = 10 << 20;

/// The most bytes of what registries said that are kept between scans: some thousand digests and signatures,
/// or some hundred images' data.
pub const REGISTRY_CACHE_BYTES_MAX: usize = 8 << 20;

/// The most Secrets with credentials for registries.
pub const PULL_SECRETS_MAX: usize = 100;

/// How much of a service's refusal is told, in characters: it becomes part of results.
pub const SERVICE_REFUSAL_CHARS_MAX: usize = 1000;

/// The most bytes of all objects of a list that a policy reads as one fact; they are held in memory while the
/// scan lasts.
pub const FACT_LIST_BYTES_MAX: usize = 64 << 20;

/// The most pages of one list: at 500 objects a page, more than any server holds. A server that never ends a
/// list is stopped here.
pub const LIST_PAGES_MAX: usize = 100_000;

/// The most bytes of all policies of one kind, as the server sends them: [`POLICIES_MAX`] policies of a usual
/// size; they are held in memory.
pub const POLICY_LIST_BYTES_MAX: usize = 256 << 20;
/// Deepest nesting of a regular expression. Go allows 1,000; the compiler recurses on worker stacks, and real
/// expressions stay under 10.
pub const REGEXP_NESTING_MAX: u32 = 200;

/// Regular expressions from resources and parameters that a thread keeps compiled; a policy has one or two.
pub const REGEXPS_KEPT_MAX: usize = 16;

/// Memory that each of them may take, in bytes; larger ones are compiled whenever they are used.
pub const REGEXP_KEPT_BYTES_MAX: usize = 256 * 1024;

/// Memory that one compiled regular expression may take, in bytes.
pub const REGEXP_COMPILED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How many different conditional and existence anchors a pattern may have: presence is recorded in the bits
/// of a word; real patterns have fewer than ten.
pub const PATTERN_ANCHORS_MAX: usize = 64;

/// How often variables that came out of a substitution are substituted again: nested variables in real
/// policies need two or three rounds, and a label whose value is a variable that names itself would never
/// end.
pub const SUBSTITUTION_ROUNDS_MAX: usize = 64;

/// How many expressions that came out of a substitution a compiled rule keeps: their texts hold values of objects, of which few differ.
pub const DYNAMIC_PROGRAMS_MAX: usize = 64;

/// The longest such expression that is kept, in bytes: longer ones have whole values in them, which hardly come again.
pub const DYNAMIC_PROGRAM_TEXT_BYTES_MAX: usize = 1024;

/// The most public keys that one attestor of a policy stands for: real ones have a handful.
pub const ATTESTOR_KEYS_MAX: usize = 64;

/// The longest manifest that a signed message unfolds to, in bytes: an object of the largest size that the API server takes, ten times over.
pub const SIGNED_MANIFEST_BYTES_MAX: usize = 16 << 20;

/// How many signatures of one object are looked at, and how many manifests of one message: the reference's own bounds.
pub const MANIFEST_SIGNATURES_MAX: usize = 100;

/// The most certificates of one chain that a policy trusts: Kyverno's bound of ten intermediates, and the root.
pub const CERTIFICATES_MAX: usize = 11;

/// How deep attestors of a policy are nested, in levels: real ones have two.
pub const ATTESTORS_DEPTH_MAX: usize = 8;

/// How often `random` repeats what a pattern leaves open (`x*`), as the generator that Kyverno uses.
pub const RANDOM_REPEAT_MAX: usize = 4096;

/// How deep the groups of a pattern of `random` may be: its reader recurses once a group.
pub const RANDOM_PATTERN_DEPTH_MAX: usize = 160;

/// How many parts the texts of CEL's `random` in one evaluation may have: some milliseconds.
pub const CEL_RANDOM_PARTS_MAX: u64 = 1_000_000;

/// The longest text that CEL's `gzip.decompress` gives, in bytes: far above what an object holds, and what stops a bomb.
pub const CEL_GZIP_BYTES_MAX: usize = 16 << 20;

/// How long a scan that is told to end may take to finish what is under way: an orchestrator kills what has not ended
/// 10 seconds after SIGTERM, and the state is closed and the Lease given back behind it.
pub const STOP_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// How long the program waits, when it ends, for work that was given up.
pub const SHUTDOWN_WAIT: std::time::Duration = std::time::Duration::from_millis(500);

/// How often the service tells about itself and tidies its metrics, in seconds: histograms must not grow
/// without scrapes.
pub const UPKEEP_EVERY_SECS: u64 = 5;

/// How many problems of one scan are logged one by one; all are counted.
pub const PROBLEMS_LOGGED_MAX: usize = 100;

/// How often the configuration file is looked at for a change, in seconds: some kilobytes are read.
pub const CONFIG_LOOKED_AT_EVERY_SECS: u64 = 5;

/// How many failures of one assertion tree are shown: each names a place, and nobody reads more.
pub const ASSERTION_FAILURES_MAX: usize = 64;

/// The most text that an expression of an assertion tree may become with the values of its variables, in bytes.
pub const ASSERTION_TEXT_BYTES_MAX: usize = 1024 * 1024;
// Policies in CEL (`lang/cel_policy/`).

/// How many match conditions, variables, validations or audit annotations of one policy are read: the API server accepts 64 match conditions
/// and far fewer of the rest than an object of the largest size could hold.
pub const CEL_POLICY_EXPRESSIONS_MAX: usize = 1_000;
/// The longest text of a message expression, in bytes: the API server's bound; a longer one is as if there were none.
pub const CEL_MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// How often a long scan tells its progress where there is no terminal, in seconds: rarely enough for logs, soon enough for people.
pub const PROGRESS_LINE_EVERY_SECS: u64 = 10;
/// Bytes of a UID that a manifest gives. A server's have 36; it names the report's file.
pub const UID_BYTES_MAX: usize = 128;

/// How long the trigger of schedules may take to stop, in seconds.
pub const TRIGGER_STOP_SECS_MAX: u64 = 1;

/// How long giving the Lease back may take, in seconds; another replica waits for its end at worst.
pub const LEASE_RELEASE_SECS_MAX: u64 = 2;

/// The wait before a scan that could not begin is tried again, in seconds; it doubles each time.
pub const SCAN_RETRY_SECS_MIN: u64 = 5;

/// The longest such wait, in seconds; a schedule that comes earlier is not held up by it.
pub const SCAN_RETRY_SECS_MAX: u64 = 300;

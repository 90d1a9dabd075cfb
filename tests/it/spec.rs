//! The Markdown specs of `tests/it/spec/kyverno_*.md` and `cel_*.md`, which a Kyverno user can read: a sentence, the policy, what it says.
//!
//! Each `##` section is one world. A `yaml` block holds the parts of it, told apart by their content: a policy of any kind; a rule of a
//! `ClusterPolicy`, or only its `pattern`, `anyPattern`, `deny` or `foreach`; a `PolicyException` or binding; `facts`, what look-ups find. A
//! table holds what is expected:
//!
//! - `resource | outcome | message`, with a column `rule` if there are several: the resource in YAML; `none` is no outcome. A message that
//!   starts with `…` is the end of the message; one that is left out is that of a rule that passes.
//! - `resource | outcome | properties`: the properties that are shown with the outcome.
//! - `pattern | value | outcome`: the value against the pattern.
//! - `key | operator | value | holds`: a condition.
//! - `expression | value`: what a CEL expression of a `ValidatingPolicy` gives, as JSON; `error: ` stands before an error.
//! - `standing | reason`, `warning | message`: what is said of the policy itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::{Document, Node};
use patrol::fingerprint;
use patrol::folder;
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{Fact, FactKey, FactValue, Gvk, Outcome, PolicyKey, ResourceId, ResourceKey};
use patrol::model::{PolicyKind, Status};
use patrol::policy::{CompanionSource, PolicyRole, PolicySource, Standing, role_of};

const ROUNDS_MAX: usize = 20;
const EXAMPLES_MIN: usize = 300;

#[test]
fn every_example_gives_the_outcome_beside_it() {
    let mut failures = Vec::new();
    let mut n_examples = 0;
    for (file, text) in specs() {
        for section in sections(&text) {
            for row in &section.rows {
                n_examples += 1;
                if let Err(difference) = section.check(row) {
                    failures.push(format!("{file}:{}: {}\n  {difference}", row.line, row.text));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {n_examples} fail:\n{}", failures.len(), failures.join("\n"));
    assert!(n_examples >= EXAMPLES_MIN, "only {n_examples} examples");
    println!("{n_examples} examples");
}

fn specs() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/spec");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("kyverno_") || name.starts_with("cel_")
        })
        .collect();
    files.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// One world with what is expected of it.
#[derive(Default)]
struct Section {
    policy: Option<Document>,
    companions: Vec<CompanionSource>,
    facts: BTreeMap<FactKey, Arc<Fact>>,
    rows: Vec<Row>,
}

/// One line of a table.
struct Row {
    line: usize,
    text: String,
    cells: BTreeMap<String, String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut block: Option<String> = None;
    let mut header: Option<Vec<String>> = None;
    for (index, line) in text.lines().enumerate() {
        let section = sections.last_mut().unwrap();
        if line.starts_with("```") {
            match block.take() {
                Some(yaml) => section.add(&yaml),
                None => block = Some(String::new()),
            }
        } else if let Some(block) = &mut block {
            block.push_str(line);
            block.push('\n');
        } else if line.starts_with("## ") {
            sections.push(Section::default());
        } else if let Some(cells) = cells(line) {
            match &header {
                None => header = Some(cells),
                Some(_) if line.starts_with("|-") || line.starts_with("| -") => {}
                Some(header) => section.rows.push(Row {
                    line: index + 1,
                    text: line.to_owned(),
                    cells: header.iter().cloned().zip(cells).collect(),
                }),
            }
        } else {
            header = None;
        }
    }
    sections
}

/// The cells of a line of a table, without the marks of code; `\|` is a bar.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?.replace("\\|", "\u{0}");
    let cell = |cell: &str| {
        let text = cell.trim().replace('\u{0}', "|");
        let ends = if text.starts_with("`` ") { ("`` ", " ``") } else { ("`", "`") };
        text.strip_prefix(ends.0).and_then(|t| t.strip_suffix(ends.1)).map_or(text.clone(), str::to_owned)
    };
    Some(inner.split('|').map(cell).collect())
}

fn yaml(text: &str) -> Document {
    folder::parse_yaml(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn text<'d>(node: Node<'d>, path: &[&str]) -> &'d str {
    node.path(path).and_then(Node::as_str).unwrap_or_default()
}

impl Section {
    fn add(&mut self, block: &str) {
        for part in block.split("\n---\n").filter(|part| !part.trim().is_empty()) {
            let document = yaml(part);
            let root = document.root();
            if let Some(facts) = root.get("facts") {
                self.facts.extend(facts.items().map(fact));
            } else if let Some(role) = companion_role(root) {
                self.companions.push(CompanionSource {
                    role,
                    namespace: text(root, &["metadata", "namespace"]).to_owned(),
                    name: text(root, &["metadata", "name"]).to_owned(),
                    document: Arc::new(document),
                    origin: "spec".to_owned(),
                });
            } else if root.get("spec").is_some() {
                self.policy = Some(document);
            } else {
                self.policy = Some(yaml(&around(part, root)));
            }
        }
    }

    fn check(&self, row: &Row) -> Result<(), String> {
        let cell = |name: &str| row.cells.get(name).map(String::as_str);
        let wanted = |name: &str| cell(name).unwrap_or_else(|| panic!("no column `{name}`: {}", row.text));
        if let Some(pattern) = cell("pattern") {
            let section = Self { policy: Some(yaml(&pattern_policy(pattern))), ..Self::default() };
            let outcome = section.only_outcome(&format!("{{v: {}}}", wanted("value")))?;
            return equal(wanted("outcome"), outcome.map_or("none", |outcome| outcome.status.as_str()));
        }
        if let Some(operator) = cell("operator") {
            let policy = condition_policy(wanted("key"), operator, wanted("value"));
            let section = Self { policy: Some(yaml(&policy)), ..Self::default() };
            let outcome = section.only_outcome("{}")?.ok_or("no outcome")?;
            let holds = match outcome.status {
                Status::Fail => "yes",
                Status::Pass => "no",
                _ => return Err(outcome.message),
            };
            return equal(wanted("holds"), holds);
        }
        if let Some(expression) = cell("expression") {
            let facts = self.facts.clone();
            let policy = yaml(&expression_policy(expression));
            let section = Self { policy: Some(policy), facts, ..Self::default() };
            let outcome = section.only_outcome("{}")?.ok_or("no outcome")?;
            let message = outcome.message.strip_prefix("failed to evaluate message expression: ");
            let got = match (message, outcome.status) {
                (Some(error), _) => format!("error: {error}"),
                (None, Status::Error) => format!("refused: {}", outcome.message),
                (None, _) => outcome.message,
            };
            return equal(wanted("value"), &got);
        }
        let policy = self.compiled();
        if let Some(standing) = cell("standing") {
            let (is, reason) = match &policy.standing {
                Standing::Scanned => ("scanned", ""),
                Standing::FolderOnly { reason } => ("only in a folder", reason.as_str()),
                Standing::NotScanned { reason } => ("not scanned", reason.as_str()),
            };
            return equal(standing, is).and(equal(wanted("reason"), reason));
        }
        if let Some(path) = cell("warning") {
            let found: Vec<_> =
                policy.warnings.iter().map(|w| (w.path.as_str(), w.message.as_str())).collect();
            let is_there = found.contains(&(path, wanted("message")));
            return if is_there { Ok(()) } else { Err(format!("found {found:?}")) };
        }
        let outcome = match cell("rule") {
            Some(rule) => self.outcomes(wanted("resource"))?.into_iter().find(|outcome| outcome.rule == rule),
            None => self.only_outcome(wanted("resource"))?,
        };
        if let Some(properties) = cell("properties") {
            let outcome = outcome.ok_or("no outcome")?;
            let properties = yaml(properties);
            let texts = properties
                .root()
                .entries()
                .map(|(k, v)| (k.to_owned(), v.as_str().unwrap_or_default().to_owned()));
            let is_equal = texts.collect::<BTreeMap<_, _>>() == outcome.properties;
            let same_status = equal(wanted("outcome"), outcome.status.as_str());
            return if is_equal { same_status } else { Err(format!("got {:?}", outcome.properties)) };
        }
        compare(wanted("outcome"), cell("message").unwrap_or_default(), outcome)
    }

    fn only_outcome(&self, resource: &str) -> Result<Option<Outcome>, String> {
        let outcomes = self.outcomes(resource)?;
        let ([] | [_]) = outcomes.as_slice() else { return Err(format!("several outcomes: {outcomes:?}")) };
        Ok(outcomes.into_iter().next())
    }

    fn compiled(&self) -> Arc<CompiledPolicy> {
        let document = self.policy.clone().unwrap_or_else(|| panic!("no policy"));
        let root = document.root();
        let namespace = text(root, &["metadata", "namespace"]).to_owned();
        let kind = match role_of(&gvk(root)) {
            Some(PolicyRole::Policy(kind)) => kind,
            _ => PolicyKind::ClusterPolicy,
        };
        let key = PolicyKey { kind, namespace, name: text(root, &["metadata", "name"]).to_owned() };
        let source = PolicySource { key, document: Arc::new(document), origin: "spec".to_owned() };
        let catalog = Catalog::build(vec![source], &self.companions, &CatalogSettings::default());
        catalog.policies.into_iter().next().unwrap()
    }

    fn outcomes(&self, resource: &str) -> Result<Vec<Outcome>, String> {
        let policy = self.compiled();
        let document = yaml(resource);
        let root = document.root();
        let (group, version) = match text(root, &["apiVersion"]).rsplit_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), "v1".to_owned()),
        };
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
        let key = ResourceKey {
            group,
            kind: or(text(root, &["kind"]), "ConfigMap"),
            namespace: text(root, &["metadata", "namespace"]).to_owned(),
            name: or(text(root, &["metadata", "name"]), "a"),
        };
        let id = ResourceId { key, version, uid: String::new() };
        let request = Request::scan();
        let mut facts = self.facts.clone();
        for _ in 0..ROUNDS_MAX {
            let inputs = Inputs::new(&id, &document, &request, &facts, Timestamp::UNIX_EPOCH);
            match policy.evaluator.evaluate(&inputs) {
                Evaluation::Done(outcomes) if policy.selection.selects(&id) => {
                    return Ok(outcomes.into_iter().map(|outcome| scored(&policy, outcome)).collect());
                }
                Evaluation::Done(_) => return Ok(Vec::new()),
                Evaluation::Needs(keys) => {
                    for key in keys.into_iter().filter(|key| !self.facts.contains_key(key)) {
                        let is_in_registry = matches!(
                            key,
                            FactKey::Image(_) | FactKey::ImageDigest(_) | FactKey::Attached { .. }
                        );
                        let refused = "registries are not asked (setting images.registry)";
                        let value = if is_in_registry {
                            FactValue::Refused(refused.to_owned())
                        } else {
                            FactValue::Missing
                        };
                        facts.insert(key, made(value));
                    }
                }
            }
        }
        Err("it does not come to an end".to_owned())
    }
}

/// The kind of an object; of Kyverno's own policies if it names no API.
fn gvk(root: Node<'_>) -> Gvk {
    let api_version = text(root, &["apiVersion"]);
    Gvk::new(if api_version.is_empty() { "kyverno.io/v1" } else { api_version }, text(root, &["kind"]))
}

/// What an exception or a binding is to a policy.
fn companion_role(root: Node<'_>) -> Option<PolicyRole> {
    role_of(&gvk(root)).filter(|role| {
        matches!(role, PolicyRole::Exception | PolicyRole::CelException | PolicyRole::Binding(_))
    })
}

fn scored(policy: &CompiledPolicy, mut outcome: Outcome) -> Outcome {
    if outcome.status == Status::Fail && !policy.presentation.is_scored {
        outcome.status = Status::Warn;
    }
    outcome
}

fn equal(wanted: &str, got: &str) -> Result<(), String> {
    if wanted == got { Ok(()) } else { Err(format!("wanted {wanted}\n  got    {got}")) }
}

fn compare(status: &str, message: &str, outcome: Option<Outcome>) -> Result<(), String> {
    let Some(outcome) = outcome else { return equal(status, "none") };
    let got = format!("{}: {}", outcome.status.as_str(), outcome.message);
    let passed = format!("validation rule '{}' passed.", outcome.rule);
    let is_message = match message.strip_prefix('…') {
        Some(end) => outcome.message.ends_with(end),
        None if message.is_empty() => outcome.message == passed,
        None => outcome.message == message,
    };
    let is_equal = status == outcome.status.as_str() && is_message;
    if is_equal {
        Ok(())
    } else {
        equal(&format!("{status}: {message}"), &got).and(Err("message".to_owned()))
    }
}

/// A policy around a rule or a part of one; the rule is named `r` and matches every kind unless it says otherwise.
fn around(part: &str, root: Node<'_>) -> String {
    let indented = |by: &str| part.lines().fold(String::new(), |all, line| all + by + line + "\n");
    let is_rule =
        ["validate", "verifyImages", "mutate", "generate"].iter().any(|key| root.get(key).is_some());
    // Of equal keys the last one counts, so the rule's own name and match win.
    let mut rule = String::from("  - name: r\n    match: {any: [{resources: {kinds: ['*']}}]}\n");
    if is_rule {
        rule.push_str(&indented("    "));
    } else {
        rule.push_str("    validate:\n");
        rule.push_str(&indented("      "));
    }
    format!("kind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n{rule}")
}

fn pattern_policy(pattern: &str) -> String {
    let part = format!("pattern: {{v: {pattern}}}");
    around(&part, yaml(&part).root())
}

fn condition_policy(key: &str, operator: &str, value: &str) -> String {
    let part =
        format!("deny: {{conditions: {{all: [{{key: {key}, operator: {operator}, value: {value}}}]}}}}");
    around(&part, yaml(&part).root())
}

/// A policy whose message is the expression's value as JSON.
fn expression_policy(expression: &str) -> String {
    let expression = serde_json::to_string(expression).unwrap();
    format!(
        "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\nmetadata: {{name: p}}\nspec:\n  \
         matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], \
         resources: [configmaps]}}]}}\n  variables: [{{name: value, expression: {expression}}}]\n  \
         validations: [{{expression: 'false', messageExpression: json.marshal(variables.value)}}]\n"
    )
}

/// One of `facts`: where it is from, and its `data`, or `failed` with the reason, or nothing for what is not there.
fn fact(node: Node<'_>) -> (FactKey, Arc<Fact>) {
    let own = |name: &str| node.get(name).and_then(Node::as_str).map(str::to_owned);
    let pair = |text: String| {
        let (namespace, name) = text.split_once('/').unwrap();
        (namespace.to_owned(), name.to_owned())
    };
    let key = if let Some(name) = own("configMap").map(pair) {
        FactKey::ConfigMap { namespace: name.0, name: name.1 }
    } else if let Some(path) = own("get") {
        FactKey::ApiCall { method: "GET".to_owned(), path, body: String::new() }
    } else if let Some(path) = own("post") {
        FactKey::ApiCall { method: "POST".to_owned(), path, body: own("body").unwrap_or_default() }
    } else if let Some(image) = own("image") {
        FactKey::Image(image)
    } else if let Some((place, suffix)) =
        own("signaturesOf").map(|of| (of, "sig")).or(own("attestationsOf").map(|of| (of, "att")))
    {
        let (repository, digest) = place.split_once('@').unwrap();
        let (repository, digest) = (repository.to_owned(), digest.to_owned());
        FactKey::Attached { repository, digest, suffix: suffix.to_owned() }
    } else if let Some(image) = own("digestOf") {
        FactKey::ImageDigest(image)
    } else if let Some(url) = own("service") {
        let method = own("method").unwrap_or("GET".to_owned());
        let usual = if own("answers").is_some() { r#"{"answersStatus":true}"# } else { "{}" };
        let options = own("options").unwrap_or_else(|| usual.to_owned());
        FactKey::ServiceCall { method, url, body: own("body").unwrap_or_default(), options }
    } else if let Some(name) = own("globalContextEntry") {
        FactKey::GlobalContext { name, projection: own("projection").unwrap_or_default() }
    } else if let Some(name) = own("namespace") {
        FactKey::Namespace(name)
    } else if let Some(kind) = own("kind") {
        let Gvk { group, version, kind } = Gvk::new(&own("apiVersion").unwrap_or_default(), &kind);
        FactKey::Kind { group, version, kind }
    } else if let Some(kind) = own("objects") {
        let Gvk { group, version, kind } = Gvk::new(&own("apiVersion").unwrap_or_default(), &kind);
        let part = |name: &str| own(name).unwrap_or_default();
        let (namespace, name, selector) = (part("in"), part("named"), part("selector"));
        FactKey::Objects { group, version, kind, namespace, name, selector }
    } else if let Some(namespace) = own("namespaceLabels") {
        FactKey::NamespaceLabels(namespace)
    } else {
        panic!("an unknown fact")
    };
    if let Some(message) = own("refused") {
        return (key, made(FactValue::Refused(message)));
    }
    let value = match (node.get("data"), own("failed")) {
        (Some(data), _) => FactValue::Found(patrol::document::Value::from(data).to_document()),
        (None, Some(message)) => FactValue::Failed { message, is_transient: false },
        (None, None) => FactValue::Missing,
    };
    (key, made(value))
}

fn made(value: FactValue) -> Arc<Fact> {
    Arc::new(fingerprint::fact(value))
}

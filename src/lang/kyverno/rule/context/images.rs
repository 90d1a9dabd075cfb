//! The variable `images`: the images of a pod or pod controller, taken apart.
//!
//! The rules are those of Kyverno's `pkg/utils/api/image.go`; how an image reference is taken apart is `gostd`'s business.

use std::collections::BTreeMap;

use crate::document::{Kind, Map, Node, Text, Value};
use crate::lang::jmespath::{Env, Program};

/// One image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Image {
    /// The registry, with the default one filled in.
    pub(in super::super) registry: String,
    pub(in super::super) path: String,
    pub(in super::super) name: String,
    pub(in super::super) tag: String,
    pub(in super::super) digest: String,
    /// Where in the resource it stands.
    pub(in super::super) pointer: String,
}

/// Images by the kind of container and the container's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct ImageMap(pub(in super::super) BTreeMap<String, BTreeMap<String, Image>>);

/// `imageExtractors` of a rule: where other kinds hold images.
#[derive(Debug, Default)]
pub(in super::super) struct Extractors(BTreeMap<String, Vec<Extractor>>);

#[derive(Debug)]
struct Extractor {
    name: String,
    fields: Vec<String>,
    key: Option<String>,
    value: String,
    expression: Option<Result<Program, String>>,
}

impl Image {
    /// Takes a reference apart.
    pub(in super::super) fn parse(reference: &str) -> Result<Self, String> {
        let invalid = || format!("bad image: {reference}, invalid reference format");
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) if digest.contains(':') => (rest, digest),
            Some(_) => return Err(invalid()),
            None => (reference, ""),
        };
        let (registry, rest) = match rest.split_once('/') {
            Some((first, rest))
                if first.contains(['.', ':'])
                    || first == "localhost"
                    || first.chars().any(|c| c.is_ascii_uppercase()) =>
            {
                (first, rest.to_owned())
            }
            _ => ("docker.io", rest.to_owned()),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path.to_owned(), tag.to_owned()),
            _ => (rest, String::new()),
        };
        let is_component = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        };
        let is_tag = |tag: &str| {
            tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if !path.split('/').all(is_component) || !is_tag(&tag) {
            return Err(invalid());
        }
        let tag = if tag.is_empty() && digest.is_empty() { "latest".to_owned() } else { tag };
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self {
            registry: registry.to_owned(),
            path,
            name,
            tag,
            digest: digest.to_owned(),
            pointer: String::new(),
        })
    }

    /// The whole reference: by digest if there is one, otherwise by tag.
    pub(in super::super) fn reference(&self) -> String {
        if self.digest.is_empty() {
            self.reference_with_tag()
        } else {
            format!("{}/{}@{}", self.registry, self.path, self.digest)
        }
    }

    fn reference_with_tag(&self) -> String {
        format!("{}/{}:{}", self.registry, self.path, self.tag)
    }

    fn value<'d>(&self) -> Value<'d> {
        let mut map = Map::new();
        let mut put = |key: &'static str, value: String| {
            if !value.is_empty() {
                map.insert(Text::Borrowed(key), Value::owned(value));
            }
        };
        put("registry", self.registry.clone());
        put("path", self.path.clone());
        put("name", self.name.clone());
        put("tag", self.tag.clone());
        put("digest", self.digest.clone());
        put("reference", self.reference());
        put("referenceWithTag", self.reference_with_tag());
        put("jsonPointer", self.pointer.clone());
        Value::map(map)
    }
}

impl ImageMap {
    /// The images as a variable.
    pub(super) fn value<'d>(&self) -> Value<'d> {
        let groups = self.0.iter().map(|(group, images)| {
            let images = images.iter().map(|(name, image)| (Text::from(name.clone()), image.value()));
            (Text::from(group.clone()), Value::map(images.collect()))
        });
        Value::map(groups.collect())
    }

    /// The reference of a container's image; the container's name if it has none.
    pub(in super::super) fn reference_of(&self, container: &str) -> String {
        ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .find_map(|group| self.0.get(*group)?.get(container))
            .map_or_else(|| container.to_owned(), Image::reference)
    }
}

impl Extractors {
    /// Compiles `imageExtractors`.
    pub(in super::super) fn compile(node: Node<'_>) -> Self {
        let text = |node: Node<'_>, key: &str| {
            node.get(key).and_then(Node::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let kinds = node.entries().map(|(kind, configs)| {
            let extractors = configs.items().map(|config| {
                let path = text(config, "path").unwrap_or_default();
                let mut fields: Vec<String> = path
                    .split('/')
                    .map(|field| field.trim_matches(' ').to_owned())
                    .filter(|f| !f.is_empty())
                    .collect();
                let value = text(config, "value").or_else(|| fields.pop()).unwrap_or_default();
                Extractor {
                    name: text(config, "name").unwrap_or_else(|| "custom".to_owned()),
                    fields,
                    key: text(config, "key"),
                    value,
                    expression: text(config, "jmesPath").map(|text| {
                        Program::compile(&text).map_err(|error| format!("invalid jmespath {text}: {error}"))
                    }),
                }
            });
            (kind.to_owned(), extractors.collect())
        });
        Self(kinds.collect())
    }
}

/// The images of a resource; `None` if it has none.
pub(super) fn extract(
    object: Node<'_>,
    extractors: Option<&Extractors>,
    env: &Env<'_>,
) -> Result<Option<ImageMap>, String> {
    let kind = object.get("kind").and_then(Node::as_str).unwrap_or_default();
    let mut map = ImageMap::default();
    let own;
    let extractors = if let Some(extractors) = extractors.and_then(|e| e.0.get(kind)) {
        extractors
    } else {
        own = standard(kind);
        &own
    };
    for extractor in extractors {
        let mut images = BTreeMap::new();
        extractor.walk(Some(object), &mut Vec::new(), &extractor.fields, env, &mut images)?;
        if !images.is_empty() {
            map.0.insert(extractor.name.clone(), images);
        }
    }
    Ok((!map.0.is_empty()).then_some(map))
}

fn standard(kind: &str) -> Vec<Extractor> {
    let prefix: &[&str] = match kind {
        "Pod" => &["spec"],
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "Job" => {
            &["spec", "template", "spec"]
        }
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return Vec::new(),
    };
    ["initContainers", "containers", "ephemeralContainers"]
        .map(|group| Extractor {
            name: group.to_owned(),
            fields: prefix.iter().chain([&group, &"*"]).map(|step| (*step).to_owned()).collect(),
            key: Some("name".to_owned()),
            value: "image".to_owned(),
            expression: None,
        })
        .into()
}

impl Extractor {
    fn walk(
        &self,
        node: Option<Node<'_>>,
        path: &mut Vec<String>,
        fields: &[String],
        env: &Env<'_>,
        images: &mut BTreeMap<String, Image>,
    ) -> Result<(), String> {
        let Some(node) = node.filter(|node| !node.is_null()) else { return Ok(()) };
        let Some((field, rest)) = fields.split_first() else { return self.take(node, path, env, images) };
        if field == "*" {
            let below: Vec<(String, Node<'_>)> = match node.kind() {
                Kind::Array => {
                    node.items().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
                }
                Kind::Object => node.entries().map(|(key, value)| (key.to_owned(), value)).collect(),
                _ => return Err("invalid type".to_owned()),
            };
            for (step, node) in below {
                path.push(step);
                self.walk(Some(node), path, rest, env, images)?;
                path.pop();
            }
            return Ok(());
        }
        if node.kind() != Kind::Object {
            return Err("invalid image config".to_owned());
        }
        path.push(field.clone());
        self.walk(node.get(field), path, rest, env, images)?;
        path.pop();
        Ok(())
    }

    fn take(
        &self,
        node: Node<'_>,
        path: &[String],
        env: &Env<'_>,
        images: &mut BTreeMap<String, Image>,
    ) -> Result<(), String> {
        if node.kind() != Kind::Object {
            return Err("invalid image config".to_owned());
        }
        let pointer = format!("/{}/{}", path.join("/"), self.value);
        let key = match &self.key {
            None => pointer.clone(),
            Some(key) => node.get(key).and_then(Node::as_str).ok_or("invalid key")?.to_owned(),
        };
        let Some(value) =
            node.get(&self.value).and_then(Node::as_str).filter(|value| !value.trim().is_empty())
        else {
            return Ok(());
        };
        let reference = match &self.expression {
            None => value.to_owned(),
            Some(Err(message)) => return Err(message.clone()),
            Some(Ok(program)) => {
                let result = program
                    .evaluate_on(&Value::borrowed(value), env)
                    .map_err(|error| format!("failed to apply jmespath {program}: {error}"))?;
                result.as_str().ok_or_else(|| format!("jmespath {program} must produce a string"))?.to_owned()
            }
        };
        let image =
            Image::parse(&reference).map_err(|error| format!("invalid image '{reference}' ({error})"))?;
        images.insert(key, Image { pointer, ..image });
        Ok(())
    }
}

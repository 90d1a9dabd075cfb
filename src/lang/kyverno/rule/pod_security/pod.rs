//! A pod as the checks see it: of a Pod, or of the template of a pod controller.

use crate::document::{Kind, Node};

/// A pod, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct PodView<'d> {
    pub(super) annotations: Option<Node<'d>>,
    /// What is not about containers; `None` if only containers are looked at.
    pub(super) spec: Option<Node<'d>>,
    /// Init containers, containers, ephemeral containers.
    pub(super) containers: Vec<ContainerView<'d>>,
}

/// A container and its place.
#[derive(Clone, Debug)]
pub(super) struct ContainerView<'d> {
    pub(super) group: &'static str,
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) node: Option<Node<'d>>,
}

const GROUPS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

impl<'d> PodView<'d> {
    /// The pod of a resource; `None` for kinds without one.
    pub(super) fn of(object: Node<'d>) -> Option<Self> {
        let (spec, metadata): (&[&str], &[&str]) = match object.get("kind")?.as_str()? {
            "Pod" => (&["spec"], &["metadata"]),
            "DaemonSet" | "Deployment" | "Job" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
                (&["spec", "template", "spec"], &["spec", "template", "metadata"])
            }
            "CronJob" => {
                (&["spec", "jobTemplate", "spec", "template", "spec"], &["spec", "jobTemplate", "metadata"])
            }
            _ => return None,
        };
        let spec = object.path(spec);
        let containers = GROUPS.iter().flat_map(|group| {
            let list = spec.and_then(|spec| spec.get(group)).map(Node::items).into_iter().flatten();
            list.enumerate().map(move |(index, node)| ContainerView {
                group,
                index,
                name: node.get("name").and_then(Node::as_str).unwrap_or_default().to_owned(),
                node: Some(node),
            })
        });
        Some(Self {
            annotations: object.path(metadata).and_then(|metadata| metadata.get("annotations")),
            spec,
            containers: containers.collect(),
        })
    }

    /// Why the reference cannot read the object as a whole, as its JSON library words it: a label or annotation, of the object or of the pod
    /// in it, that is no string.
    pub(super) fn unreadable(&self, object: Node<'_>) -> Option<String> {
        let own = ["labels", "annotations"].map(|field| (field, object.path(&["metadata", field])));
        let maps = own.into_iter().chain([("annotations", self.annotations)]);
        maps.filter_map(|(field, map)| Some((field, map?))).find_map(|(field, map)| {
            let found = map.entries().find_map(|(_, value)| match value.kind() {
                Kind::String | Kind::Null => None,
                Kind::Bool => Some("bool"),
                Kind::Int | Kind::Float => Some("number"),
                Kind::Array => Some("array"),
                Kind::Object => Some("object"),
            })?;
            let field = format!("Go struct field ObjectMeta.metadata.{field} of type string");
            Some(format!("json: cannot unmarshal {found} into {field}"))
        })
    }

    /// The same pod with one container that says nothing.
    pub(super) fn without_containers(&self) -> Self {
        let fake = ContainerView { group: "containers", index: 0, name: "fake".to_owned(), node: None };
        Self { containers: vec![fake], ..self.clone() }
    }

    /// Only the containers whose image is wanted, counted anew.
    pub(super) fn only_images(&self, is_wanted: impl Fn(&str) -> bool) -> Self {
        let mut containers: Vec<ContainerView<'d>> = Vec::new();
        for container in &self.containers {
            if is_wanted(container.text(&["image"])) {
                let index = containers.iter().filter(|kept| kept.group == container.group).count();
                containers.push(ContainerView { index, ..container.clone() });
            }
        }
        Self { annotations: None, spec: None, containers }
    }

    /// The name of a container by its place.
    pub(super) fn container_name(&self, group: &str, index: usize) -> &str {
        let found =
            self.containers.iter().find(|container| container.group == group && container.index == index);
        found.map_or("", |container| &container.name)
    }

    /// A field below the pod's spec.
    pub(super) fn get(&self, path: &[&str]) -> Option<Node<'d>> {
        self.spec?.path(path).filter(|node| !node.is_null())
    }

    pub(super) fn is_windows(&self) -> bool {
        self.get(&["os", "name"]).and_then(Node::as_str) == Some("windows")
    }
}

impl<'d> ContainerView<'d> {
    /// A field of the container.
    pub(super) fn get(&self, path: &[&str]) -> Option<Node<'d>> {
        self.node?.path(path).filter(|node| !node.is_null())
    }

    /// A text of the container, empty if there is none.
    pub(super) fn text(&self, path: &[&str]) -> &'d str {
        self.get(path).and_then(Node::as_str).unwrap_or_default()
    }

    /// The texts of a list of the container.
    pub(super) fn texts(&self, path: &[&str]) -> Vec<&'d str> {
        let list = self.get(path).filter(|list| list.kind() == Kind::Array);
        list.map(Node::items).into_iter().flatten().filter_map(Node::as_str).collect()
    }

    /// The path of a field of the container.
    pub(super) fn field(&self, path: &str) -> String {
        format!("spec.{}[{}].{path}", self.group, self.index)
    }
}

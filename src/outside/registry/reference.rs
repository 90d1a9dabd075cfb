//! Image references as registries are asked by them: with the registry and the default tag filled in, as
//! go-containerregistry's `pkg/name` does (`nginx` is `library/nginx` of `index.docker.io`).

use crate::gostd::image;

const DOCKER_HUB: &str = "index.docker.io";

/// A reference taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The host with its port.
    pub(super) registry: String,
    pub(super) repository: String,
    /// A digest if there is one, else the tag.
    pub(super) identifier: String,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let invalid = |error: &dyn std::fmt::Display| format!("could not parse reference: {text}: {error}");
        let parts = image::Reference::parse(text).map_err(|error| invalid(&error))?;
        let is_host = parts.domain.contains(['.', ':']) || parts.domain == "localhost";
        let (registry, path) = match (is_host, parts.domain) {
            (true, "docker.io") | (false, "") => (DOCKER_HUB, parts.path.to_owned()),
            (true, host) => (host, parts.path.to_owned()),
            (false, first) => (DOCKER_HUB, format!("{first}/{}", parts.path)),
        };
        let repository =
            if registry == DOCKER_HUB && !path.contains('/') { format!("library/{path}") } else { path };
        let identifier = match (parts.digest, parts.tag) {
            ("", "") => "latest",
            ("", tag) => tag,
            (digest, _) if is_sha256(digest) => digest,
            (digest, _) => return Err(invalid(&format!("`{digest}` is no sha256 digest"))),
        };
        Ok(Self { registry: registry.to_owned(), repository, identifier: identifier.to_owned() })
    }

    pub(super) fn is_digest(&self) -> bool {
        is_sha256(&self.identifier)
    }

    /// `registry/repository`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

/// Whether a text is a digest of the one algorithm that is in use.
pub(super) fn is_sha256(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = Reference::parse(text).ok().map(|found| format!("{} {}", found.name(), found.identifier));
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn defaults_are_filled_in() {
        let digest = format!("sha256:{}", "a".repeat(64));
        check("nginx", Some("index.docker.io/library/nginx latest"));
        check("docker.io/nginx:1", Some("index.docker.io/library/nginx 1"));
        check("corp/nginx", Some("index.docker.io/corp/nginx latest"));
        check("ghcr.io/corp/app:1", Some("ghcr.io/corp/app 1"));
        check("localhost/app", Some("localhost/app latest"));
        check("127.0.0.1:5000/app:1", Some("127.0.0.1:5000/app 1"));
        check(&format!("a.test/b:1@{digest}"), Some(&format!("a.test/b {digest}")));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in
            ["", "A b", "a.test/UPPER", "a.test/b@sha256:aa", &format!("a@sha512:{}", "a".repeat(128))]
        {
            check(text, None);
        }
    }
}

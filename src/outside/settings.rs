//! What may be asked outside the API server, and at what cost; values that operators set.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// What policies may ask outside the API server. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideSettings {
    /// Calls of services.
    pub services: ServiceSettings,
    /// Image registries.
    pub registries: RegistrySettings,
}

/// Calls of services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// URLs that may be called, with wildcards.
    pub allowed: Vec<String>,
    /// How long one call may take, from the connection to the last byte.
    pub timeout: Duration,
    /// How much of an answer is read at most, in bytes.
    pub response_bytes_max: u64,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self { allowed: Vec::new(), timeout: Duration::from_secs(30), response_bytes_max: 2_000_000 }
    }
}

/// Image registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Whether registries are asked at all.
    pub is_enabled: bool,
    /// How long it holds what a tag stands for and what is attached to an image.
    pub max_age: Duration,
    /// Users and passwords.
    pub logins: Logins,
}

/// Users and passwords by registry, as a Secret of type `kubernetes.io/dockerconfigjson` has them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Logins(BTreeMap<String, Login>);

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One user.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerConfig {
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerAuth {
    username: String,
    password: String,
    auth: String,
}

impl Logins {
    /// Adds what a `.dockerconfigjson` says; of several entries for one registry the first counts.
    ///
    /// # Errors
    /// What cannot be read, without quoting it.
    pub fn add_docker_config(&mut self, json: &[u8]) -> Result<(), String> {
        let config: DockerConfig = serde_json::from_slice(json)
            .map_err(|error| format!("it is no Docker configuration: line {}", error.line()))?;
        for (place, auth) in config.auths {
            let login = auth.login().ok_or_else(|| format!("its entry for `{place}` has no user"))?;
            self.0.entry(normal(&place)).or_insert(login);
        }
        Ok(())
    }

    /// The login for a repository: of the entries for its registry or a part of its path, the longest.
    pub(super) fn of(&self, registry: &str, repository: &str) -> Option<&Login> {
        let full = format!("{registry}/{repository}");
        let is_prefix = |place: &str| full.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
        let fitting = self.0.iter().filter(|(place, _)| is_prefix(place));
        fitting.max_by_key(|(place, _)| place.len()).map(|(_, login)| login)
    }
}

impl DockerAuth {
    fn login(self) -> Option<Login> {
        if !self.auth.is_empty() {
            let decoded = String::from_utf8(STANDARD.decode(self.auth.trim()).ok()?).ok()?;
            let (user, password) = decoded.split_once(':')?;
            return Some(Login { user: user.to_owned(), password: password.to_owned() });
        }
        (!self.username.is_empty()).then_some(Login { user: self.username, password: self.password })
    }
}

/// `https://index.docker.io/v1/` is `index.docker.io`.
fn normal(place: &str) -> String {
    let place = place.split_once("://").map_or(place, |(_, rest)| rest).trim_end_matches('/');
    let place = place.strip_suffix("/v1").or_else(|| place.strip_suffix("/v2")).unwrap_or(place);
    match place.strip_prefix("docker.io") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("index.docker.io{rest}"),
        _ => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Logins;

    #[test]
    fn the_longest_place_that_fits_gives_the_login() {
        let mut credentials = Logins::default();
        let config = br#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnB3Og=="},
            "ghcr.io": {"username": "all", "password": "a"},
            "ghcr.io/corp": {"username": "corp", "password": "c"}
        }}"#;
        assert_eq!(credentials.add_docker_config(config), Ok(()));
        let user = |registry: &str, repository: &str| {
            credentials.of(registry, repository).map(|login| (login.user.as_str(), login.password.as_str()))
        };
        assert_eq!(user("index.docker.io", "library/nginx"), Some(("hub", "pw:")));
        assert_eq!(user("ghcr.io", "corp/app"), Some(("corp", "c")));
        assert_eq!(user("ghcr.io", "corporation/app"), Some(("all", "a")));
        assert_eq!(user("quay.io", "corp/app"), None);
        assert!(!format!("{credentials:?}").contains("pw"));
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_content() {
        let told = |json: &str| Logins::default().add_docker_config(json.as_bytes()).expect_err("a mistake");
        assert_eq!(told("secret"), "it is no Docker configuration: line 1");
        assert_eq!(
            told(r#"{"auths": {"a.test": {"auth": "c2VjcmV0"}}}"#),
            "its entry for `a.test` has no user"
        );
    }
}

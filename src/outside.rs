//! What policies read outside the API server: the answers of services, and what image registries know.
//!
//! The way in is [`Outside`], which answers facts; what it may ask is configured anew for each scan. Nothing here
//! knows where resources come from: a cluster and a folder ask the same way.

mod http;
mod registry;
mod service;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use http::chain;
pub use settings::{Logins, OutsideSettings, RegistrySettings, ServiceSettings};

use crate::model::{FactKey, FactValue};
use http::HttpClient;
use registry::{Registries, RegistryAccess, RegistryCache};

/// The way to services and registries. Clones share connections, settings, and what registries said.
#[derive(Clone, Debug, Default)]
pub struct Outside(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    settings: Mutex<Arc<OutsideSettings>>,
    client: HttpClient,
    access: RegistryAccess,
    cache: RegistryCache,
}

impl Outside {
    /// A way that the settings describe.
    pub fn new(settings: OutsideSettings) -> Self {
        let outside = Self::default();
        outside.configure(settings);
        outside
    }

    /// From now on these settings hold. With others for registries, what they said is forgotten.
    pub fn configure(&self, settings: OutsideSettings) {
        let mut current = self.0.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if current.registries != settings.registries {
            self.0.access.clear();
            self.0.cache.clear();
        }
        *current = Arc::new(settings);
    }

    fn settings(&self) -> Arc<OutsideSettings> {
        Arc::clone(&self.0.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers a fact that lies outside the API server: a service's answer, an image's data or digest, what is
    /// attached to an image.
    pub async fn fact(&self, key: &FactKey) -> FactValue {
        if let FactKey::ServiceCall { method, url, body, options } = key {
            return self.call(method, url, body, options).await;
        }
        let settings = &self.settings().registries;
        if !settings.is_enabled {
            return FactValue::Refused("registries are not asked (setting `images.registry`)".to_owned());
        }
        if let Some(kept) = self.0.cache.get(key, settings.max_age) {
            return kept;
        }
        let door = Registries { client: &self.0.client, access: &self.0.access, settings };
        let found = match key {
            FactKey::Image(image) => door.image(image).await,
            FactKey::ImageDigest(image) => door.digest(image).await,
            FactKey::Attached { repository, digest, suffix } => {
                door.attached(repository, digest, suffix).await
            }
            other => return failed(format!("{other} is nothing that a registry knows")),
        };
        let value = found.map_or_else(FactValue::from, FactValue::Found);
        self.0.cache.put(key, &value);
        value
    }

    /// What a service answers; the parts are those of [`FactKey::ServiceCall`].
    pub async fn call(&self, method: &str, url: &str, body: &str, options: &str) -> FactValue {
        service::call(&self.0.client, &self.settings().services, method, url, body, options).await
    }
}

/// A failure that a later scan does not repair by itself.
fn failed(message: String) -> FactValue {
    FactValue::Failed { message, is_transient: false }
}

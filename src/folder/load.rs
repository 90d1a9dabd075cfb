//! Parses manifests and finds out who they are, for input that is small or wanted whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Folder, Manifest, Problem};
use crate::document::Document;
use crate::inventory::{Origin, Scopes, derived_uid, identify, placed};
use crate::model::{ResourceId, ResourceKey};

/// A manifest with its object.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Who it is.
    pub id: ResourceId,
    /// The object.
    pub document: Arc<Document>,
    /// Where it was read.
    pub origin: Origin,
}

/// Parses all manifests; the definitions of custom resources among them are added to `scopes` first. What
/// cannot be used becomes a problem.
///
/// Of two objects with the same identity the first is kept and the second is a problem that names both
/// places.
pub fn load(folder: &Folder, scopes: &mut Scopes, problems: &mut Vec<Problem>) -> Vec<Loaded> {
    problems.extend(folder.problems.iter().cloned());
    let mut parsed: Vec<(&Manifest, Document)> = Vec::with_capacity(folder.manifests.len());
    for manifest in &folder.manifests {
        match manifest.parse() {
            Ok(document) => parsed.push((manifest, document)),
            Err(error) => problems.push(error.into()),
        }
    }
    for (_, document) in &parsed {
        scopes.add_crd(document);
    }
    let mut claims = Claims::default();
    let mut loaded = Vec::with_capacity(parsed.len());
    for (manifest, document) in parsed {
        let origin = manifest.origin.clone();
        let mut id = match identify(&document, scopes) {
            Ok(id) => id,
            Err(error) => {
                problems.push(Problem { origin, message: error.to_string() });
                continue;
            }
        };
        if let Err(problem) = claims.claim(&id.key, &origin) {
            problems.push(problem);
            continue;
        }
        claims.settle_uid(&mut id);
        let document = Arc::new(placed(document, &id));
        loaded.push(Loaded { id, document, origin });
    }
    loaded
}

/// Which identity was met where, to find objects that are given twice.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    places: HashMap<ResourceKey, Origin>,
    uids: HashSet<String>,
}

impl Claims {
    /// Gives an object whose UID another one has (a copied manifest) one of its own.
    pub fn settle_uid(&mut self, id: &mut ResourceId) {
        if self.uids.contains(&id.uid) {
            id.uid = derived_uid(&id.key);
        }
        self.uids.insert(id.uid.clone());
    }

    /// Notes an identity; the problem names both places if it was noted before. The first one holds.
    pub fn claim(&mut self, key: &ResourceKey, origin: &Origin) -> Result<(), Problem> {
        if let Some(first) = self.places.get(key) {
            let message = format!("{key} is given twice: the one at {first} is kept, this one is left out");
            return Err(Problem { origin: origin.clone(), message });
        }
        self.places.insert(key.clone(), origin.clone());
        Ok(())
    }
}

//! Which file held which object and policy when it was last read.
//!
//! A file that cannot be read now proves nothing about what it held: its objects and policies are not gone, they are unknown. This is what a scan
//! remembers to tell the two apart. Knows nothing of where it is stored.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::fingerprint;
use crate::model::{Fingerprint, PolicyKey, PolicyKind};

/// What one file held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// Hashes of the objects' UIDs, sorted.
    objects: BTreeSet<[u8; 16]>,
    /// Policies: the position of the kind in [`PolicyKind::ALL`], and the hash of the key.
    policies: BTreeSet<(u8, [u8; 16])>,
}

/// What each file held, by the file's name as it is told in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places(BTreeMap<String, Held>);

/// What is not there, and not proven to be gone.
#[derive(Clone, Debug, Default)]
pub struct Unproven {
    /// Hashes of UIDs.
    objects: HashSet<[u8; 16]>,
    /// Kinds of the policies.
    pub kinds: BTreeSet<PolicyKind>,
}

impl Unproven {
    /// Whether the object of that UID may still be there.
    pub fn contains(&self, uid: &str) -> bool {
        !self.objects.is_empty() && self.objects.contains(&fingerprint::of_bytes(uid.as_bytes()).0)
    }
}

impl Places {
    /// Notes an object.
    pub(super) fn object(&mut self, file: &str, uid: &str) {
        self.held(file).objects.insert(fingerprint::of_bytes(uid.as_bytes()).0);
    }

    /// Notes a policy.
    pub(super) fn policy(&mut self, file: &str, key: &PolicyKey) {
        let kind = PolicyKind::ALL.iter().position(|kind| *kind == key.kind).unwrap_or_default();
        let Fingerprint(print) = fingerprint::of_bytes(key.to_string().as_bytes());
        self.held(file).policies.insert((u8::try_from(kind).unwrap_or(u8::MAX), print));
    }

    fn held(&mut self, file: &str) -> &mut Held {
        if !self.0.contains_key(file) {
            self.0.insert(file.to_owned(), Held::default());
        }
        self.0.entry(file.to_owned()).or_default()
    }

    /// Takes over what `before` knew of the broken files and folders, and tells what of it is nowhere now.
    pub fn take_over(&mut self, before: &Self, broken: &BTreeSet<String>) -> Unproven {
        let mut unproven = Unproven::default();
        let is_broken = |file: &str| {
            let below = |folder: &String| {
                file.strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            broken.iter().any(below)
        };
        let is_anywhere = |is: &dyn Fn(&Held) -> bool| self.0.values().any(is);
        let mut kept: Vec<(String, Held)> = Vec::new();
        for (file, held) in before.0.iter().filter(|(file, _)| is_broken(file)) {
            let mut held = held.clone();
            held.objects.retain(|object| !is_anywhere(&|held| held.objects.contains(object)));
            held.policies.retain(|policy| !is_anywhere(&|held| held.policies.contains(policy)));
            unproven.objects.extend(&held.objects);
            let kinds = held.policies.iter().filter_map(|(kind, _)| PolicyKind::ALL.get(usize::from(*kind)));
            unproven.kinds.extend(kinds);
            kept.push((file.clone(), held));
        }
        for (file, held) in kept {
            let into = self.0.entry(file).or_default();
            into.objects.extend(held.objects);
            into.policies.extend(held.policies);
        }
        unproven
    }

    /// The bytes under which it is remembered.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// What bytes remember; nothing if they cannot be read.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> PolicyKey {
        PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: name.to_owned() }
    }

    fn broken(files: &[&str]) -> BTreeSet<String> {
        files.iter().map(|file| (*file).to_owned()).collect()
    }

    #[test]
    fn what_a_broken_file_held_is_unknown_until_it_is_met_elsewhere_or_the_file_is_whole() {
        let mut before = Places::default();
        before.object("a.yaml", "1");
        before.object("a.yaml", "2");
        before.object("b.yaml", "3");
        before.policy("a.yaml", &key("p"));
        let before = Places::from_bytes(&before.to_bytes());

        let mut now = Places::default();
        now.object("c.yaml", "2");
        let unproven = now.take_over(&before, &broken(&["a.yaml"]));
        let known = ["1", "2", "3"].map(|uid| unproven.contains(uid));
        assert_eq!(known, [true, false, false]);
        assert_eq!(unproven.kinds, BTreeSet::from([PolicyKind::ClusterPolicy]));

        let mut still = Places::default();
        assert!(still.take_over(&now, &broken(&["a.yaml"])).contains("1"));
        let mut whole = Places::default();
        whole.object("a.yaml", "5");
        let unproven = whole.take_over(&still, &broken(&[]));
        assert!(!unproven.contains("1") && unproven.kinds.is_empty());
    }

    #[test]
    fn a_broken_folder_covers_the_files_below_it_and_no_others() {
        let mut before = Places::default();
        before.object("m/sub/a.yaml", "1");
        before.object("m/subway.yaml", "2");
        let unproven = Places::default().take_over(&before, &broken(&["m/sub"]));
        assert!(unproven.contains("1") && !unproven.contains("2"));
        assert_eq!(Places::from_bytes(b"nonsense\xff"), Places::default());
    }
}

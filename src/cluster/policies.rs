//! The policies of a cluster with what belongs to them: every such kind that the server serves, listed to its
//! end or not believed.
//!
//! A kind that cannot be listed keeps what was listed of it last, while the process lives. Without that its
//! policies are unknown; and if what cannot be listed decides about other policies (exceptions, bindings),
//! those are unknown as well, since without it they would mean something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;

use super::discovery::Discovery;
use super::failure::{ApiFailure, FailureClass};
use super::list::{ListOf, Lists};
use super::page::{Meta, metadata_of};
use crate::document::Document;
use crate::inventory::{PolicyListing, Problem};
use crate::limits;
use crate::model::{Gvk, PolicyKey, PolicyKind};
use crate::policy::{CompanionSource, PolicyRole, PolicySource, role_of};

/// Where policies of a cluster come from, for messages.
const ORIGIN: &str = "cluster";

/// Kinds that belong to policies and are none.
const COMPANIONS: [(&str, &str); 5] = [
    ("kyverno.io", "PolicyException"),
    ("policies.kyverno.io", "PolicyException"),
    ("kyverno.io", "GlobalContextEntry"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
];

/// What was listed last, by role.
pub(super) type Listings = BTreeMap<PolicyRole, Arc<Vec<Entry>>>;

/// One object that is a policy or belongs to some.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    namespace: String,
    name: String,
    document: Arc<Document>,
}

/// A kind to look for.
#[derive(Clone, Debug)]
struct Wanted {
    group: &'static str,
    kind: &'static str,
    role: PolicyRole,
}

/// How the list of a kind ended.
enum Listed {
    Complete(Vec<Entry>, Vec<Problem>),
    NotServed,
    Failed(ApiFailure),
}

/// `reads_exceptions` is about those of `kyverno.io`, the only ones that can be switched off.
fn wanted(reads_exceptions: bool) -> Vec<Wanted> {
    let policies = PolicyKind::ALL.into_iter().map(|kind| (kind.group(), kind.as_str()));
    policies
        .chain(COMPANIONS)
        .filter_map(|(group, kind)| {
            let gvk = Gvk { group: group.to_owned(), version: String::new(), kind: kind.to_owned() };
            role_of(&gvk).map(|role| Wanted { group, kind, role })
        })
        .filter(|wanted| reads_exceptions || wanted.role != PolicyRole::Exception)
        .collect()
}

/// Lists all of them; with what is to be remembered as listed last.
pub(super) async fn list(
    lists: &Lists,
    discovery: &Discovery,
    reads_exceptions: bool,
    mut last: Listings,
) -> (PolicyListing, Listings) {
    let wanted = wanted(reads_exceptions);
    let each = wanted.clone().into_iter().map(|wanted| list_kind(lists, discovery, wanted));
    let listed =
        futures_util::stream::iter(each).buffered(limits::KINDS_LISTED_AT_ONCE).collect::<Vec<_>>().await;
    let mut listing = PolicyListing::default();
    let mut now = Listings::new();
    for (wanted, listed) in wanted.iter().zip(listed) {
        let entries = match listed {
            Listed::Complete(entries, problems) => {
                listing.problems.extend(problems);
                Some(Arc::new(entries))
            }
            Listed::NotServed => None,
            Listed::Failed(failure) => {
                let entries = last.remove(&wanted.role).filter(|_| failure.is_transient());
                let consequence = match &entries {
                    Some(_) => "those that were listed last are used".to_owned(),
                    None => lose(&mut listing, wanted.role),
                };
                listing.problems.push(Problem {
                    subject: format!("{}/{}", wanted.group, wanted.kind),
                    message: format!("{failure}; {consequence}"),
                    is_input: false,
                });
                entries
            }
        };
        if let Some(entries) = entries {
            now.insert(wanted.role, entries);
        }
    }
    for (role, entries) in &now {
        entries.iter().for_each(|entry| add(&mut listing, *role, entry));
    }
    (listing, now)
}

/// Notes whose absence proves nothing when a kind is lost, and says what that means.
fn lose(listing: &mut PolicyListing, role: PolicyRole) -> String {
    let is_lost = |kind: &PolicyKind| match role {
        PolicyRole::Policy(lost) | PolicyRole::Binding(lost) => *kind == lost,
        PolicyRole::Exception => matches!(kind, PolicyKind::ClusterPolicy | PolicyKind::Policy),
        PolicyRole::CelException => kind.group() == "policies.kyverno.io",
        PolicyRole::GlobalContextEntry => false,
    };
    let lost: Vec<PolicyKind> = PolicyKind::ALL.into_iter().filter(is_lost).collect();
    listing.unknown.extend(&lost);
    match role {
        PolicyRole::Policy(_) => "its policies keep the results that they have".to_owned(),
        PolicyRole::GlobalContextEntry => "policies that read such an entry cannot be evaluated".to_owned(),
        _ => {
            let kinds: Vec<&str> = lost.into_iter().map(PolicyKind::as_str).collect();
            format!(
                "without it these policies are not known in full, and keep the results that they have: {}",
                kinds.join(", ")
            )
        }
    }
}

fn add(listing: &mut PolicyListing, role: PolicyRole, entry: &Entry) {
    let Entry { namespace, name, document } = entry.clone();
    let origin = ORIGIN.to_owned();
    match role {
        PolicyRole::Policy(kind) if listing.unknown.contains(&kind) => {}
        PolicyRole::Policy(kind) => {
            let key = PolicyKey { kind, namespace, name };
            listing.policies.push(PolicySource { key, document, origin });
        }
        role => listing.companions.push(CompanionSource { role, namespace, name, document, origin }),
    }
}

async fn list_kind(lists: &Lists, discovery: &Discovery, wanted: Wanted) -> Listed {
    let Wanted { group, kind, .. } = wanted;
    let Some(served) = discovery.preferred(group, kind) else {
        if discovery.unknown_groups.contains(group) {
            let message = format!("what the API group {group} serves could not be found out");
            return Listed::Failed(ApiFailure::new(FailureClass::ServerError, message));
        }
        return Listed::NotServed;
    };
    let path = Discovery::path_of(group, served);
    let gvk = Gvk { group: group.to_owned(), version: served.version.clone(), kind: kind.to_owned() };
    let (mut entries, mut problems) = (BTreeMap::new(), Vec::new());
    let mut n_bytes = 0;
    let end = lists
        .each(ListOf::all(&path), &mut |object| {
            n_bytes += object.len();
            if n_bytes > limits::POLICY_LIST_BYTES_MAX {
                let message = format!("there are more than {n_bytes} bytes of {}", path.named());
                return Err(ApiFailure::new(FailureClass::TooLarge, message));
            }
            let meta: Meta<'_> = metadata_of(object)?;
            let (namespace, name) = (meta.namespace.into_owned(), meta.name.into_owned());
            match Document::from_list_item(object, &gvk.api_version(), &gvk.kind) {
                Ok(document) => {
                    let document = Arc::new(document);
                    entries.insert((namespace.clone(), name.clone()), Entry { namespace, name, document });
                }
                Err(error) => problems.push(Problem {
                    subject: format!("{kind} {namespace}/{name}"),
                    message: error.to_string(),
                    is_input: true,
                }),
            }
            Ok(())
        })
        .await;
    match end {
        Ok(()) => Listed::Complete(entries.into_values().collect(), problems),
        Err(failure) => Listed::Failed(failure),
    }
}

/// The objects of one role alone; nothing where its kind is not served.
pub(super) async fn one_role(
    lists: &Lists,
    discovery: &Discovery,
    role: PolicyRole,
) -> Result<Vec<CompanionSource>, ApiFailure> {
    let mut listing = PolicyListing::default();
    for wanted in wanted(true).into_iter().filter(|wanted| wanted.role == role) {
        match list_kind(lists, discovery, wanted).await {
            Listed::Complete(entries, _) => entries.iter().for_each(|entry| add(&mut listing, role, entry)),
            Listed::NotServed => {}
            Listed::Failed(failure) => return Err(failure),
        }
    }
    Ok(listing.companions)
}

//! Who the resources are: identity, the scope and names of kinds, who controls what, and the contract of whatever holds them ([`Source`]).
//!
//! Pure look-ups over documents. Built-in kinds are known from a table, others from the definitions of custom
//! resources that are met; a kind that nobody describes counts as namespaced. Reading manifests or asking a
//! server is the business of `folder/` and `cluster/`.

mod builtin;
mod identify;
mod scopes;
mod source;
#[cfg(test)]
mod tests;

pub use identify::{Controller, IdentityError, controlled_by, derived_uid, identify, with_namespace};
pub use scopes::{KindInfo, Scopes, guess_plural};
pub use source::{
    Content, Discovered, ListError, Listed, Page, PolicyListing, Problem, ScanKind, Source, SourceError,
};

//! Who the resources are: identity, the scope and names of kinds.
//!
//! Pure look-ups over documents. Built-in kinds are known from a table, others from the definitions of custom
//! resources that are met; a kind that nobody describes counts as namespaced. Reading manifests or asking a
//! server is the business of `folder/` and `cluster/`.

mod builtin;
mod identify;
mod origin;
mod scopes;
mod source;
#[cfg(test)]
mod tests;

pub use identify::{IdentityError, derived_uid, identify, placed};
pub use origin::Origin;
pub use scopes::{KindInfo, Scopes, guess_plural};
pub use source::{
    Content, Discovered, ListError, Listed, Page, PolicyListing, Problem, ScanKind, Source, SourceError,
};

//! A resource in the forms in which policies judge it: its kind in the version that it is known by, and the other versions that some policy names.
//!
//! A form is decoded only if a policy that selects the resource judges it. One that cannot be had is like a look-up that failed: pairs that need it
//! are errors, and are tried again by the next scan.

use std::sync::Arc;

use crate::document::Document;
use crate::fingerprint::{FormPrints, PartPrints};
use crate::inventory::Listed;
use crate::model::{Gvk, ResourceId};

/// One form: who the resource is in it, and the object, or why it could not be had.
type Form = (ResourceId, Result<Arc<Document>, String>);

/// The forms of one resource.
#[derive(Debug)]
pub(super) struct Forms {
    /// By position; those that nobody judges are not there.
    forms: Vec<Option<Form>>,
    /// The parts of each.
    pub(super) prints: FormPrints,
}

impl Forms {
    /// Reads the forms that are judged, by position; `others` are what the forms beside the one that it is known by
    /// are called.
    pub(super) fn read(item: &Listed, known: &Arc<Document>, others: &[Gvk], judged: &[Vec<usize>]) -> Self {
        let gvk = item.id.gvk();
        let prints = FormPrints(vec![(gvk, PartPrints::of(known))]);
        let mut read = Self { forms: vec![Some((item.id.clone(), Ok(Arc::clone(known))))], prints };
        for (at, (gvk, content)) in others.iter().zip(&item.others).enumerate() {
            let form = judged.iter().any(|forms| forms.contains(&(at + 1))).then(|| {
                let mut id = item.id.clone();
                (id.key.group, id.version) = (gvk.group.clone(), gvk.version.clone());
                let object = content.decode(gvk).map_err(|message| format!("{gvk}: {message}"));
                (id, object)
            });
            let object = form.as_ref().and_then(|(_, object)| object.as_ref().ok());
            let prints = object.map(|object| PartPrints::of(object)).unwrap_or_default();
            read.prints.0.push((gvk.clone(), prints));
            read.forms.push(form);
        }
        read
    }

    /// Whether a form that is needed could not be had.
    pub(super) fn is_incomplete(&self) -> bool {
        self.forms.iter().flatten().any(|(_, object)| object.is_err())
    }

    /// The forms at some positions.
    pub(super) fn at<'f>(&'f self, positions: &'f [usize]) -> impl Iterator<Item = &'f Form> {
        positions.iter().filter_map(|at| self.forms.get(*at)?.as_ref())
    }
}

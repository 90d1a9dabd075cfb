//! The API server's own count of requests, `apiserver_request_total`, read from its Prometheus text. It
//! knows that one metric only; labels besides those kept here are summed over.

use std::collections::BTreeMap;

/// What kind of request was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiserverRequest {
    /// As the server names it: GET, LIST, WATCH, POST, PUT, PATCH, APPLY, DELETE, DELETECOLLECTION, ….
    pub(crate) verb: String,
    /// The API group; empty for the core group, and for requests of no resource.
    pub(crate) group: String,
    /// The plural, with `/` and the subresource if there is one; empty for discovery and the like.
    pub(crate) resource: String,
    /// The HTTP status.
    pub(crate) code: u16,
}

/// How many requests of each kind were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ApiserverRequests(pub(crate) BTreeMap<ApiserverRequest, u64>);

impl ApiserverRequests {
    /// Reads the metric out of a whole Prometheus text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut counted = BTreeMap::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("apiserver_request_total{") else {
                continue;
            };
            let Some((labels, value)) = rest.rsplit_once("} ") else {
                continue;
            };
            let mut request = ApiserverRequest::default();
            let mut subresource = "";
            // None of these labels' values can hold a comma or a quote.
            for (name, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
                let value = value.trim_matches('"');
                match name {
                    "verb" => value.clone_into(&mut request.verb),
                    "group" => value.clone_into(&mut request.group),
                    "resource" => value.clone_into(&mut request.resource),
                    "subresource" => subresource = value,
                    "code" => request.code = value.parse().unwrap_or_default(),
                    _ => {}
                }
            }
            if !subresource.is_empty() {
                request.resource = format!("{}/{subresource}", request.resource);
            }
            // The text has floating-point numbers; large counts are written with an exponent.
            let value: f64 = value.trim().parse().unwrap_or_default();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count is whole and positive"
            )]
            let count = value as u64;
            *counted.entry(request).or_default() += count;
        }
        Self(counted)
    }

    /// What was counted after `earlier`: kinds of requests that were not made in between are left out.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let grown = self.0.iter().filter_map(|(request, count)| {
            let before = earlier.0.get(request).copied().unwrap_or_default();
            (*count > before).then(|| (request.clone(), count - before))
        });
        Self(grown.collect())
    }

    /// How many requests are of the kinds that `wanted` picks.
    pub(crate) fn sum(&self, wanted: impl Fn(&ApiserverRequest) -> bool) -> u64 {
        self.0.iter().filter(|(request, _)| wanted(request)).map(|(_, count)| count).sum()
    }
}

#[test]
fn requests_are_summed_over_other_labels() {
    let counted = ApiserverRequests::parse(concat!(
        "# TYPE apiserver_request_total counter\n",
        "apiserver_request_total{code=\"200\",component=\"apiserver\",group=\"\",resource=\"pods\",",
        "scope=\"cluster\",subresource=\"\",verb=\"LIST\",version=\"v1\"} 3\n",
        "apiserver_request_total{code=\"200\",component=\"apiserver\",group=\"\",resource=\"pods\",",
        "scope=\"namespace\",subresource=\"\",verb=\"LIST\",version=\"v1\"} 1.2e+01\n",
        "apiserver_request_total{code=\"409\",component=\"apiserver\",dry_run=\"\",group=\"apps\",",
        "resource=\"deployments\",scope=\"resource\",subresource=\"status\",verb=\"PUT\",version=\"v1\"} 1\n",
        "apiserver_requested_deprecated_apis{group=\"\"} 7\n",
    ));
    let request = |verb: &str, group: &str, resource: &str, code| ApiserverRequest {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        code,
    };
    let pods = request("LIST", "", "pods", 200);
    let status = request("PUT", "apps", "deployments/status", 409);
    assert_eq!(counted.0, BTreeMap::from([(pods.clone(), 15), (status, 1)]));
    assert_eq!(counted.sum(|request| request.verb == "LIST"), 15);
    let earlier = ApiserverRequests(BTreeMap::from([(pods, 15)]));
    assert_eq!(counted.since(&earlier).sum(|_| true), 1);
}

//! How the cluster is found and how hard it may be asked; values that operators set. Bounds that nobody sets
//! are in `limits`.

use std::path::PathBuf;
use std::time::Duration;

/// Where the address and the credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// The kubeconfig that `KUBECONFIG` or the home folder has, or else the Pod's service account.
    #[default]
    Found,
    /// A kubeconfig file.
    Kubeconfig(PathBuf),
    /// The service account of the Pod that Patrol runs in.
    InCluster,
}

/// How the cluster is reached and asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSettings {
    /// Where the address and the credentials come from.
    pub credentials: Credentials,
    /// The context of the kubeconfig; its current one if `None`.
    pub context: Option<String>,
    /// What the state files this cluster's objects under; the server's address if `None`.
    pub name: Option<String>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long one try of a request may take, reply included.
    pub request_timeout: Duration,
    /// How often a request is tried in all.
    pub n_tries: u32,
    /// The wait before the second try; it doubles from then on. A reply's Retry-After wins.
    pub backoff: Duration,
    /// The most requests that are under way at once.
    pub n_in_flight: usize,
    /// The most requests a second on average; unbounded if `None`.
    pub requests_per_s: Option<f64>,
    /// How many requests may go at once above that rate, after a time without any.
    pub n_burst: u32,
    /// The most objects of one page of a list, at most [`crate::limits::LIST_PAGE_OBJECTS_MAX`].
    pub n_page_objects: u32,
    /// The most bytes of such a page; a larger one is asked for again in smaller pages.
    pub n_page_bytes: usize,
    /// Whether policies may POST anything to the API server; if not, only reviews, which change nothing.
    pub allows_any_post: bool,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            context: None,
            name: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            n_tries: 5,
            backoff: Duration::from_millis(200),
            n_in_flight: 32,
            requests_per_s: None,
            n_burst: 0,
            n_page_objects: crate::limits::LIST_PAGE_OBJECTS_MAX,
            n_page_bytes: crate::limits::REPLY_BYTES_MAX,
            allows_any_post: false,
        }
    }
}

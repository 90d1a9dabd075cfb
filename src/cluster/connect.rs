//! From settings to a connection: which configuration counts, and what is wrong with it.

use std::io::ErrorKind;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::failure::chain;
use super::settings::{ClusterSettings, Credentials};

/// Why there is no way to a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {place}: {message}")]
    Kubeconfig {
        /// The file, or where it was looked for.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// Nothing names a cluster.
    #[error(
        "no cluster is named: there is neither a kubeconfig (`--kubeconfig`, `KUBECONFIG`, `{0}`) nor the service \
         account of a Pod"
    )]
    Nowhere(String),
    /// Patrol does not run in a Pod with a service account.
    #[error("no service account of a Pod: {0}")]
    InCluster(String),
    /// The configuration names something that cannot be connected with.
    #[error("cannot connect to `{server}`: {message}")]
    Client {
        /// The server's address.
        server: String,
        /// What is wrong.
        message: String,
    },
}

/// Reads the configuration that the settings name, and whether it is that of a Pod.
pub(super) async fn configure(settings: &ClusterSettings) -> Result<(Config, bool), ConnectError> {
    let (mut config, is_in_pod) = match &settings.credentials {
        Credentials::InCluster => (in_cluster()?, true),
        Credentials::Kubeconfig(path) => {
            let place = format!("`{}`", path.display());
            let read = Kubeconfig::read_from(path);
            let read = read.map_err(|error| bad_kubeconfig(&place, &error))?;
            (from_kubeconfig(settings, read, &place).await?, false)
        }
        Credentials::Found => match Kubeconfig::read() {
            Ok(kubeconfig) => (from_kubeconfig(settings, kubeconfig, "in use").await?, false),
            Err(error) => match Config::incluster() {
                Ok(config) if settings.context.is_none() => (config, true),
                _ => return Err(nowhere(&error).unwrap_or_else(|| bad_kubeconfig("in use", &error))),
            },
        },
    };
    config.connect_timeout = Some(settings.connect_timeout);
    // Timeouts are set around whole requests; compression costs both sides more than it saves on the way to a
    // server nearby.
    config.read_timeout = None;
    config.write_timeout = None;
    config.disable_compression = true;
    config.default_retry = false;
    Ok((config, is_in_pod))
}

/// Makes the client of a configuration.
pub(super) fn open(config: Config) -> Result<Client, ConnectError> {
    let server = config.cluster_url.to_string();
    Client::try_from(config).map_err(|error| ConnectError::Client { server, message: chain(&error) })
}

fn in_cluster() -> Result<Config, ConnectError> {
    Config::incluster().map_err(|error| ConnectError::InCluster(chain(&error)))
}

async fn from_kubeconfig(
    settings: &ClusterSettings,
    kubeconfig: Kubeconfig,
    place: &str,
) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: settings.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| bad_kubeconfig(place, &error))
}

/// What a kubeconfig that does not exist, and that nobody asked for, means.
fn nowhere(error: &KubeconfigError) -> Option<ConnectError> {
    match error {
        KubeconfigError::ReadConfig(error, path) if error.kind() == ErrorKind::NotFound => {
            Some(ConnectError::Nowhere(path.display().to_string()))
        }
        _ => None,
    }
}

fn bad_kubeconfig(place: &str, error: &KubeconfigError) -> ConnectError {
    ConnectError::Kubeconfig { place: place.to_owned(), message: chain(error) }
}

//! `patrol run`: the service.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Exit, block_on, say};
use crate::app::Service;
use crate::config::{Checked, Config, Mistake, Watched};
use crate::limits;

/// What `patrol run` is asked.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The configuration; without it every key has its default
    #[arg(long, value_name = "FILE", env = "PATROL_CONFIG")]
    config: Option<PathBuf>,
    /// Override a key of the configuration, such as `scan.maxAge=30m`; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The kubeconfig file; short for `--set cluster.kubeconfig=…`
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; short for `--set cluster.context=…`
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Check the configuration and end
    #[arg(long)]
    check: bool,
}

/// A key, its value, and who gave it.
type Override = (String, String, String);

/// Runs the command.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let overrides = overrides(args)?;
    let env: Vec<(String, String)> = std::env::vars().collect();
    let config = match load(args.config.as_deref(), &env, &overrides) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in &mistakes {
                say(format_args!("{mistake}"));
            }
            return Ok(Exit::BadInput);
        }
    };
    if args.check {
        say("the configuration is sound");
        return Ok(Exit::Clean);
    }
    let log_level = crate::telemetry::start_logs(&config.log)?;
    let watched = args.config.clone().map(|path| (path, env, overrides));
    block_on(async move {
        let (stopping, stop) = watch::channel(false);
        tokio::spawn(async move {
            wait_for_signal().await;
            let _ = stopping.send(true);
            // A second signal does not wait.
            wait_for_signal().await;
            std::process::exit(130);
        });
        let service = Service::start(config.clone(), Some(log_level), stop.clone()).await?;
        let every = Duration::from_secs(limits::CONFIG_LOOKED_AT_EVERY_SECS);
        let watched = watched.map(|(path, env, flags)| Watched::new(path, env, flags, config, every));
        service.run(watched, stop).await?;
        anyhow::Ok(())
    })?;
    Ok(Exit::Clean)
}

/// Reads the configuration as the service sees it.
pub(super) fn load(
    path: Option<&std::path::Path>,
    env: &[(String, String)],
    overrides: &[Override],
) -> Result<Checked, Vec<Mistake>> {
    let mut config = Config::read_file(path);
    config.set_from_environment(env.iter().cloned());
    for (key, value, given_by) in overrides {
        config.set(key, value, given_by);
    }
    config.check()
}

fn overrides(args: &RunArgs) -> anyhow::Result<Vec<Override>> {
    let mut overrides = Vec::new();
    for set in &args.set {
        let (key, value) = set
            .split_once('=')
            .ok_or_else(|| anyhow::anyhow!("--set: `{set}` is not of the form KEY=VALUE"))?;
        overrides.push((key.to_owned(), value.to_owned(), format!("--set {key}")));
    }
    if let Some(path) = &args.kubeconfig {
        overrides.push(("cluster.kubeconfig".into(), path.display().to_string(), "--kubeconfig".into()));
    }
    if let Some(context) = &args.context {
        overrides.push(("cluster.context".into(), context.clone(), "--context".into()));
    }
    Ok(overrides)
}

/// Waits for SIGTERM or SIGINT.
async fn wait_for_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

//! Log lines, on standard error: as text for people, or as one JSON object a line.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::config::{LogConfig, LogFormat};

/// Why there are no logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Not a level and not directives.
    #[error("`{level}` is not a log level: {why}")]
    Level {
        /// The text.
        level: String,
        /// What is wrong with it.
        why: String,
    },
    /// Logs were set up before.
    #[error("logs are set up already")]
    Twice,
}

/// Changes the level while Patrol runs.
#[derive(Clone)]
pub struct LogLevel(Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>);

impl std::fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogLevel")
    }
}

impl LogLevel {
    /// Another level, or other directives.
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        (self.0)(filter(level)?).map_err(|why| LogError::Level { level: level.into(), why })
    }
}

/// Sets up logs for the whole process, once.
pub fn start_logs(config: &LogConfig) -> Result<LogLevel, LogError> {
    let (filter, handle) = reload::Layer::<EnvFilter, Registry>::new(filter(&config.level)?);
    let subscriber = Registry::default().with(filter).with(layer(config.format));
    subscriber.try_init().map_err(|_| LogError::Twice)?;
    Ok(LogLevel(Arc::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()))))
}

fn layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync,
{
    match format {
        LogFormat::Text => {
            let has_colours = std::io::stderr().is_terminal();
            fmt::layer().with_writer(std::io::stderr).with_ansi(has_colours).with_target(false).boxed()
        }
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    }
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    // The trigger's library says at each run that it exists; whoever wants to know names it.
    let quiet = if level.contains("tokio_cron_scheduler") { "" } else { ",tokio_cron_scheduler=warn" };
    EnvFilter::builder()
        .parse(format!("{level}{quiet}"))
        .map_err(|error| LogError::Level { level: level.into(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked_and_logs_start_once() {
        let error = filter("info,kube=loud").unwrap_err().to_string();
        assert!(error.starts_with("`info,kube=loud` is not a log level: "), "{error}");
        let off = LogConfig { level: "off".into(), format: LogFormat::Json };
        let level = start_logs(&off).unwrap();
        assert_eq!(start_logs(&off).unwrap_err(), LogError::Twice);
        assert!(!tracing::enabled!(tracing::Level::ERROR));
        level.set("info").unwrap();
        assert!(tracing::enabled!(tracing::Level::INFO) && !tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(level.set("info=loud"), Err(LogError::Level { .. })));
        level.set("off").unwrap();
    }
}

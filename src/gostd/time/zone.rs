//! Zones by IANA name, from the database that is compiled in, so that results do not depend on the machine.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Zone;

/// Why a name is not a zone; the texts are those of `time.LoadLocation`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The name is a path outside the database.
    #[error("time: invalid location name")]
    InvalidName,
    /// The database has no such zone.
    #[error("unknown time zone {0}")]
    Unknown(String),
}

/// The zone of a name at an instant, in seconds since the Unix epoch.
pub(super) fn at(name: &str, unix: i64) -> Result<Zone, ZoneError> {
    static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    if matches!(name, "" | "UTC" | "Local") {
        return Ok(Zone::utc());
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err(ZoneError::InvalidName);
    }
    let unknown = || ZoneError::Unknown(name.to_owned());
    let zone: TimeZone = DATABASE.get(name).map_err(|_| unknown())?;
    // Zones are looked up whatever the case; Go compares names exactly.
    if zone.iana_name().is_some_and(|found| found != name) {
        return Err(unknown());
    }
    let limit = jiff::Timestamp::MAX.as_second();
    let instant = jiff::Timestamp::from_second(unix.clamp(-limit, limit)).map_err(|_| unknown())?;
    let info = zone.to_offset_info(instant);
    Ok(Zone { name: info.abbreviation().into(), offset: info.offset().seconds() })
}

//! Overrides by environment variables.

use std::collections::BTreeMap;

use super::{Config, Mistake, nearest};

/// The variable that overrides a key: `PATROL_SCAN_MAX_AGE` for `scan.maxAge`.
pub fn environment_name(path: &str) -> String {
    let mut name = String::from("PATROL_");
    let mut was_lower = false;
    for c in path.chars() {
        if c == '.' {
            name.push('_');
            was_lower = false;
        } else {
            if c.is_ascii_uppercase() && was_lower {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
            was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        }
    }
    name
}

/// Lays the variables over the configuration.
pub(super) fn apply(config: &mut Config, env: impl Iterator<Item = (String, String)>) {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for key in Config::keys() {
        // A list of mappings is given as a whole.
        let key = key.split_once("[]").map_or(key.as_str(), |(list, _)| list).to_owned();
        keys.insert(environment_name(&key), key);
    }
    let sections: Vec<String> = keys
        .values()
        .filter_map(|key| key.split_once('.'))
        .map(|(section, _)| format!("{}_", environment_name(section)))
        .collect();
    // Sorted, so that the same environment gives the same mistakes in the same order.
    let given: BTreeMap<String, String> = env.filter(|(name, _)| name.starts_with("PATROL_")).collect();
    if let Some(level) = given.get("PATROL_LOG") {
        config.set("log.level", level, "environment variable `PATROL_LOG`");
    }
    for (name, value) in &given {
        if let Some(key) = keys.get(name) {
            config.set(key, value, &format!("environment variable `{name}`"));
        } else if sections.iter().any(|section| name.starts_with(section.as_str())) {
            // Others may be anybody's: Kubernetes itself sets `PATROL_SERVICE_HOST` for a Service named `patrol`.
            let hint = nearest(name, keys.keys().map(String::as_str));
            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            config.mistakes.push(Mistake {
                path: String::new(),
                line: None,
                given_by: Some(format!("environment variable `{name}`")),
                message: format!("overrides no key{hint}"),
            });
        }
    }
}

//! JSON text of values: compact, keys sorted, as Go's `encoding/json` orders maps. For messages, tests and stored documents.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Node;
use super::tape::Kind;

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bool => serializer.serialize_bool(self.as_bool().unwrap_or_default()),
            Kind::Int => serializer.serialize_i64(self.as_i64().unwrap_or_default()),
            Kind::Float => serializer.serialize_f64(self.as_f64().unwrap_or_default()),
            Kind::String => serializer.serialize_str(self.as_str().unwrap_or_default()),
            Kind::Array => {
                let mut seq = serializer.serialize_seq(Some(self.len()))?;
                for item in self.items() {
                    seq.serialize_element(&item)?;
                }
                seq.end()
            }
            Kind::Object => {
                let mut map = serializer.serialize_map(Some(self.len()))?;
                for (key, value) in self.sorted_entries() {
                    map.serialize_entry(key, &value)?;
                }
                map.end()
            }
        }
    }
}

impl Node<'_> {
    /// The value as compact JSON with sorted keys.
    pub fn to_json(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }
}

//! The template of a pod, kept as the JSON that it came in: controllers hand it on and never look inside.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::kinds::pairs::Pairs;

#[derive(Debug, Clone)]
pub struct Template {
    json: Box<RawValue>,
    pub labels: Pairs,
}

impl Template {
    /// The whole template.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.json.get()).unwrap_or_else(|_| json!({}))
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Head {
            metadata: Labels,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Labels {
            labels: Pairs,
        }
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let head: Head = serde_json::from_str(json.get()).unwrap_or_default();
        Ok(Self { json, labels: head.metadata.labels })
    }
}

impl Default for Template {
    fn default() -> Self {
        let json = RawValue::from_string("{}".to_owned()).expect("this is JSON");
        Self { json, labels: Pairs::default() }
    }
}

impl From<Value> for Template {
    fn from(value: Value) -> Self {
        serde_json::from_str(&value.to_string()).unwrap_or_default()
    }
}

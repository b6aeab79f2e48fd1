//! Secret.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::kinds::config_map::MOST_BYTES;
use crate::kinds::facts::FieldLabel;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{config_key, default_text, immutable, text};
use crate::kinds::table::{age_column, name_column};

const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

impl Kind for Secret {
    const FIELD_LABELS: &'static [FieldLabel] = &[FieldLabel { label: "type", path: &["type"], default: "" }];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Type", "string", "What the secret is for.", |secret, _| text(&secret.type_).into()),
        Column::new("Data", "string", "How many entries it has.", |secret, _| {
            secret.data.as_ref().map_or(0, |data| data.len()).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        default_text(&mut self.type_, "Opaque");
        // What is written as text is kept as bytes.
        for (key, value) in self.string_data.take().into_iter().flatten() {
            self.data.get_or_insert_default().insert(key, ByteString(value.into_bytes()));
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let data = Path::new("data");
        let mut size = 0;
        for (key, value) in self.data.iter().flatten() {
            errors.check(&data.key(key), key, config_key);
            size += value.0.len();
        }
        if size > MOST_BYTES {
            errors.push(FieldError::too_long(&data, MOST_BYTES));
        }
        match text(&self.type_) {
            "kubernetes.io/dockercfg" => {
                needs(self, &[".dockercfg"], errors);
                json_in(self, ".dockercfg", errors);
            }
            "kubernetes.io/dockerconfigjson" => {
                needs(self, &[".dockerconfigjson"], errors);
                json_in(self, ".dockerconfigjson", errors);
            }
            "kubernetes.io/basic-auth" => {
                let keys = ["username", "password"];
                if !self.data.iter().flatten().any(|(name, _)| keys.contains(&name.as_str())) {
                    needs(self, &keys, errors);
                }
            }
            "kubernetes.io/ssh-auth" => {
                let key = "ssh-privatekey";
                if self.data.as_ref().and_then(|data| data.get(key)).is_none_or(|value| value.0.is_empty()) {
                    errors.push(FieldError::required(&data.key(key), ""));
                }
            }
            "kubernetes.io/tls" => needs(self, &["tls.crt", "tls.key"], errors),
            "kubernetes.io/service-account-token" => {
                let annotations = self.metadata.annotations.iter().flatten();
                if !annotations.into_iter().any(|(key, value)| key == ACCOUNT_NAME && !value.is_empty()) {
                    let path = Path::new("metadata").child("annotations").key(ACCOUNT_NAME);
                    errors.push(FieldError::required(&path, ""));
                }
            }
            _ => {}
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        immutable(errors, &Path::new("type"), &self.type_, &old.type_);
        if old.immutable != Some(true) {
            return;
        }
        let why = "field is immutable when `immutable` is set";
        if self.immutable != Some(true) {
            errors.push(FieldError::forbidden(&Path::new("immutable"), why));
        }
        if self.data != old.data {
            errors.push(FieldError::forbidden(&Path::new("data"), why));
        }
    }
}

/// A registry's credentials are an object of JSON. What is wrong with them is told without them.
fn json_in(secret: &Secret, key: &str, errors: &mut FieldErrors) {
    let Some(content) = secret.data.as_ref().and_then(|data| data.get(key)) else { return };
    if let Err(why) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&content.0) {
        let path = Path::new("data").key(key);
        errors.push(FieldError::invalid(&path, "<secret contents redacted>", why.to_string()));
    }
}

fn needs(secret: &Secret, keys: &[&str], errors: &mut FieldErrors) {
    for key in keys.iter().filter(|key| secret.data.as_ref().is_none_or(|data| !data.contains_key(**key))) {
        errors.push(FieldError::required(&Path::new("data").key(key), ""));
    }
}

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
        let mut needs = |keys: &[&str]| {
            for key in keys.iter().filter(|key| !self.data.iter().flatten().any(|(name, _)| name == *key)) {
                errors.push(FieldError::required(&data.key(key), ""));
            }
        };
        match text(&self.type_) {
            "kubernetes.io/dockercfg" => needs(&[".dockercfg"]),
            "kubernetes.io/dockerconfigjson" => needs(&[".dockerconfigjson"]),
            "kubernetes.io/ssh-auth" => needs(&["ssh-privatekey"]),
            "kubernetes.io/tls" => needs(&["tls.crt", "tls.key"]),
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

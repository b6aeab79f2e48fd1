//! StorageClass: how volumes are made.

use std::collections::BTreeMap;

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use k8s_openapi::api::core::v1::TopologySelectorTerm;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, immutable, shown, supported, text};
use crate::kinds::table::{age_column, name_column};

const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const RECLAIM_POLICIES: &[&str] = &["Delete", "Retain"];
const BINDING_MODES: &[&str] = &["Immediate", "WaitForFirstConsumer"];
const MOST_PARAMETERS: usize = 512;
const MOST_PARAMETER_BYTES: usize = 256 << 10;

impl Kind for StorageClass {
    const SHORT_NAMES: &'static [&'static str] = &["sc"];
    const FLAGS: Flags = Flags { returns_deleted: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        Column { cell: |class, _| named_default(&class.metadata, &DEFAULT_CLASS).into(), ..name_column() },
        Column::new("Provisioner", "string", "Who makes the volumes.", |class, _| class.provisioner.clone().into()),
        Column::new("ReclaimPolicy", "string", "What becomes of a volume that is given back.", |class, _| {
            class.reclaim_policy.as_deref().unwrap_or("Delete").into()
        }),
        Column::new("VolumeBindingMode", "string", "When a volume is made and bound.", |class, _| {
            class.volume_binding_mode.as_deref().unwrap_or("Immediate").into()
        }),
        Column::new("AllowVolumeExpansion", "string", "Whether volumes may grow.", |class, _| {
            class.allow_volume_expansion.unwrap_or(false).into()
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        default_text(&mut self.reclaim_policy, "Delete");
        default_text(&mut self.volume_binding_mode, "Immediate");
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("provisioner");
        if self.provisioner.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if let Err(why) = names::qualified_name(&self.provisioner.to_lowercase()) {
            errors.push(FieldError::invalid(&path, self.provisioner.to_lowercase(), why));
        }
        validate_parameters(self.parameters.as_ref(), errors);
        supported(errors, &Path::new("reclaimPolicy"), text(&self.reclaim_policy), RECLAIM_POLICIES);
        supported(errors, &Path::new("volumeBindingMode"), text(&self.volume_binding_mode), BINDING_MODES);
        validate_topologies(self.allowed_topologies.as_deref().unwrap_or_default(), errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        for (field, changed) in [
            ("parameters", self.parameters != old.parameters),
            ("provisioner", self.provisioner != old.provisioner),
            ("reclaimPolicy", self.reclaim_policy != old.reclaim_policy),
        ] {
            if changed {
                errors.push(FieldError::forbidden(&Path::new(field), format!("updates to {field} are forbidden.")));
            }
        }
        let path = Path::new("volumeBindingMode");
        immutable(errors, &path, &self.volume_binding_mode, &old.volume_binding_mode);
    }
}

/// The name, with a note if the annotations say that the object stands for those who name none.
pub fn named_default(metadata: &ObjectMeta, annotations: &[&str]) -> String {
    let name = text(&metadata.name);
    let mut noted = metadata.annotations.iter().flatten();
    let is_default = noted.any(|(key, value)| annotations.contains(&key.as_str()) && value == "true");
    if is_default { format!("{name} (default)") } else { name.to_owned() }
}

/// Parameters of a class mean something to its driver alone.
pub fn validate_parameters(parameters: Option<&BTreeMap<String, String>>, errors: &mut FieldErrors) {
    let path = Path::new("parameters");
    let Some(parameters) = parameters else { return };
    if parameters.len() > MOST_PARAMETERS {
        errors.push(FieldError::too_long(&path, MOST_PARAMETERS));
        return;
    }
    if parameters.contains_key("") {
        errors.push(FieldError::invalid(&path, "", "field can not be empty."));
    }
    if parameters.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MOST_PARAMETER_BYTES {
        errors.push(FieldError::too_long(&path, MOST_PARAMETER_BYTES));
    }
}

fn validate_topologies(terms: &[TopologySelectorTerm], errors: &mut FieldErrors) {
    let mut seen: Vec<BTreeMap<&str, Vec<&String>>> = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        let path = Path::new("allowedTopologies").index(index).child("matchLabelExpressions");
        let mut wanted: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (index, expression) in term.match_label_expressions.iter().flatten().enumerate() {
            let path = path.index(index);
            if expression.values.is_empty() {
                errors.push(FieldError::required(&path.child("values"), ""));
            }
            let mut values: Vec<&String> = expression.values.iter().collect();
            values.sort_unstable();
            for pair in values.windows(2).filter(|pair| pair[0] == pair[1]) {
                let at = expression.values.iter().rposition(|value| value == pair[0]).unwrap_or_default();
                errors.push(FieldError::duplicate(&path.child("values").index(at), pair[0].as_str()));
            }
            errors.check(&path.child("key"), &expression.key, names::qualified_name);
            if wanted.insert(&expression.key, values).is_some() {
                errors.push(FieldError::duplicate(&path.child("key"), expression.key.as_str()));
            }
        }
        if seen.contains(&wanted) {
            errors.push(FieldError::duplicate(&path, shown(&"")));
        }
        seen.push(wanted);
    }
}

//! PriorityClass: which pods go before others.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::scheduling::v1::PriorityClass;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{default_text, immutable, required_and_supported, text};
use crate::kinds::table::{age_column, name_column};

/// A class that every cluster has.
pub struct SystemClass {
    pub name: &'static str,
    pub value: i32,
    pub description: &'static str,
}

pub const SYSTEM_CLASSES: [SystemClass; 2] = [
    SystemClass {
        name: "system-node-critical",
        value: 2_000_001_000,
        description: "Used for system critical pods that must not be moved from their current node.",
    },
    SystemClass {
        name: "system-cluster-critical",
        value: 2_000_000_000,
        description: "Used for system critical pods that must run in the cluster, but can be moved to another node if \
                      necessary.",
    },
];
const SYSTEM_PREFIX: &str = "system-";
const HIGHEST: i32 = 1_000_000_000;
pub const PREEMPTION_POLICIES: &[&str] = &["PreemptLowerPriority", "Never"];

impl Kind for PriorityClass {
    const SHORT_NAMES: &'static [&'static str] = &["pc"];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Value", "integer", "The priority of its pods.", |class, _| class.value.unwrap_or_default().into()),
        Column::new("Global-Default", "boolean", "Whether it is for pods that name no class.", |class, _| {
            class.global_default.unwrap_or(false).into()
        }),
        age_column(),
        Column::new("PreemptionPolicy", "string", "Whether its pods may drive others out.", |class, _| {
            text(&class.preemption_policy).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        self.value.get_or_insert(0);
        default_text(&mut self.preemption_policy, PREEMPTION_POLICIES[0]);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let (name, value) = (text(&self.metadata.name), self.value.unwrap_or_default());
        if name.starts_with(SYSTEM_PREFIX) {
            if let Err(why) = known_system_class(name, value, self.global_default.unwrap_or(false)) {
                let why = format!(
                    "priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {why}"
                );
                errors.push(FieldError::forbidden(&Path::new("metadata").child("name"), why));
            }
        } else if value > HIGHEST {
            let why = format!("maximum allowed value of a user defined priority is {HIGHEST}");
            errors.push(FieldError::forbidden(&Path::new("value"), why));
        }
        let path = Path::new("preemptionPolicy");
        required_and_supported(errors, &path, text(&self.preemption_policy), PREEMPTION_POLICIES);
    }

    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        if self.value != old.value {
            errors.push(FieldError::forbidden(&Path::new("value"), "may not be changed in an update."));
        }
        let path = Path::new("preemptionPolicy");
        immutable(errors, &path, &self.preemption_policy, &old.preemption_policy);
    }
}

fn known_system_class(name: &str, value: i32, is_default: bool) -> Result<(), String> {
    let class = SYSTEM_CLASSES.iter().find(|class| class.name == name);
    let class = class.ok_or_else(|| format!("{name} is not a known system priority class"))?;
    if class.value != value {
        return Err(format!("value of {name} PriorityClass must be {}", class.value));
    }
    if is_default {
        return Err(format!("globalDefault of {name} PriorityClass must be false"));
    }
    Ok(())
}

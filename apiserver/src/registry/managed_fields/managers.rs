//! The entries of `managedFields`: who, how, through what, and which fields.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::kinds::canonical::ManagedFields;
use crate::registry::managed_fields::set::Set;

/// How many entries of updates are kept apart.
const MOST_UPDATERS: usize = 10;
/// Takes over what the oldest of too many updaters managed.
const ANCIENT: &str = "ancient-changes";
const FIELDS_TYPE: &str = "FieldsV1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operation {
    Apply,
    Update,
}

/// What tells one entry from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    pub name: String,
    pub operation: Operation,
    /// Empty for appliers: one that moves to another version stays the same.
    version: String,
    /// Empty for the object itself.
    subresource: String,
}

impl Manager {
    pub fn new(name: &str, operation: Operation, version: &str, subresource: Option<&str>) -> Self {
        let name = if name.is_empty() { "unknown" } else { name };
        let version = if operation == Operation::Apply { "" } else { version };
        Self {
            name: name.to_owned(),
            operation,
            version: version.to_owned(),
            subresource: subresource.unwrap_or_default().to_owned(),
        }
    }
}

/// As conflicts name it: `"kubectl" with subresource "status" using apps/v1`.
impl fmt::Display for Manager {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(out, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(out, " using {}", self.version),
        }
    }
}

/// The fields of a manager, and the version that they are named in.
#[derive(Debug, Clone)]
pub struct Claim {
    pub set: Set,
    pub version: String,
    pub time: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub struct Managers(pub BTreeMap<Manager, Claim>);

impl Managers {
    /// None if an entry is malformed: then nothing of the list is believed.
    pub fn read(list: &[u8]) -> Option<Self> {
        let entries: Vec<Entry<'_, Set>> = serde_json::from_slice(list).ok()?;
        let mut managers = BTreeMap::new();
        for Entry { api_version: version, fields_type, fields_v1, manager, operation, subresource, time } in entries {
            if version.is_empty() || fields_type != FIELDS_TYPE {
                return None;
            }
            let mut set = fields_v1.unwrap_or_default();
            set.is_member = false;
            let manager = Manager {
                name: manager.into_owned(),
                operation,
                version: if operation == Operation::Apply { String::new() } else { version.to_string() },
                subresource: subresource.into_owned(),
            };
            let time = time.map(|time| time.0);
            managers.insert(manager, Claim { set, version: version.into_owned(), time });
        }
        Some(Self(managers))
    }

    /// The list as it is kept: appliers before updaters, the oldest first.
    pub fn write(&self) -> ManagedFields {
        if self.0.is_empty() {
            return None;
        }
        let mut entries: Vec<(&Manager, &Claim)> = self.0.iter().collect();
        entries.sort_by(|left, right| list_order(*left, *right));
        let entries: Vec<_> = entries.into_iter().map(|(manager, claim)| Entry::of(manager, claim)).collect();
        Some(serde_json::to_vec(&entries).expect("names and paths are JSON").into())
    }

    pub fn drop_empty(&mut self) {
        self.0.retain(|_, claim| !claim.set.is_empty());
    }

    /// Whether both say the same, whenever it was said.
    pub fn agree_with(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|((manager, claim), (others_manager, others))| {
                manager == others_manager && claim.version == others.version && claim.set == others.set
            })
    }

    /// Puts the oldest updaters of each version together until few enough are left.
    pub fn cap(&mut self) {
        let is_updater = |manager: &&Manager| manager.operation == Operation::Update;
        let mut updaters: Vec<Manager> = self.0.keys().filter(is_updater).cloned().collect();
        let mut count = updaters.len();
        if count <= MOST_UPDATERS {
            return;
        }
        updaters.sort_by_key(|manager| (seconds(self.0.get(manager).and_then(|claim| claim.time)), manager.clone()));
        let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updaters {
            if count <= MOST_UPDATERS {
                return;
            }
            let version = manager.version.clone();
            let Some(first) = first_of_version.get(&version).cloned() else {
                first_of_version.insert(version, manager);
                continue;
            };
            let bucket = Manager::new(ANCIENT, Operation::Update, &version, None);
            if !self.0.contains_key(&bucket)
                && let Some(claim) = self.0.remove(&first)
            {
                self.0.insert(bucket.clone(), claim);
            }
            if manager != bucket
                && let Some(joining) = self.0.remove(&manager)
                && let Some(claim) = self.0.get_mut(&bucket)
            {
                claim.set.unite(&joining.set);
                claim.time = joining.time;
                count -= 1;
            }
        }
    }
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::as_second)
}

fn list_order((left, left_claim): (&Manager, &Claim), (right, right_claim): (&Manager, &Claim)) -> Ordering {
    left.operation
        .cmp(&right.operation)
        .then_with(|| seconds(left_claim.time).cmp(&seconds(right_claim.time)))
        .then_with(|| left.name.cmp(&right.name))
        .then_with(|| left_claim.version.cmp(&right_claim.version))
        .then_with(|| left.subresource.cmp(&right.subresource))
}

/// An entry of the list, in the order of its fields.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a, S> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    fields_type: Cow<'a, str>,
    fields_v1: Option<S>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    manager: Cow<'a, str>,
    operation: Operation,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    subresource: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
}

impl<'a> Entry<'a, &'a Set> {
    fn of(manager: &'a Manager, claim: &'a Claim) -> Self {
        Self {
            api_version: claim.version.as_str().into(),
            fields_type: FIELDS_TYPE.into(),
            fields_v1: Some(&claim.set),
            manager: manager.name.as_str().into(),
            operation: manager.operation,
            subresource: manager.subresource.as_str().into(),
            time: claim.time.map(Time),
        }
    }
}

/// Whether the lists differ in nothing but times.
pub fn same_but_for_times(left: &ManagedFields, right: &ManagedFields) -> bool {
    let read = |list: &ManagedFields| list.as_deref().and_then(Managers::read);
    left == right || matches!((read(left), read(right)), (Some(left), Some(right)) if left.agree_with(&right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn managers(entries: Value) -> Option<Managers> {
        Managers::read(entries.to_string().as_bytes())
    }

    fn written(managers: &Managers) -> Vec<Value> {
        serde_json::from_slice(&managers.write().unwrap()).unwrap()
    }

    fn update(name: &str, second: i64, field: &str) -> Value {
        json!({"manager": name, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "time": Timestamp::from_second(second).unwrap().to_string(), "fieldsV1": {format!("f:{field}"): {}}})
    }

    #[test]
    fn the_list_is_sorted_by_operation_time_and_name() {
        let mut apply = update("z", 9, "a");
        apply["operation"] = json!("Apply");
        let mut status = update("a", 5, "b");
        status["subresource"] = json!("status");
        let list = json!([update("b", 5, "c"), status, update("a", 5, "d"), apply, update("c", 1, "e")]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let order: Vec<String> = written(&managers(list).unwrap())
            .iter()
            .map(|entry| text(&entry["manager"]) + &text(&entry["subresource"]))
            .collect();
        assert_eq!(order, ["z", "c", "a", "astatus", "b"]);
        assert!(Managers::default().write().is_none());
    }

    #[test]
    fn a_malformed_list_is_not_believed() {
        for (field, value) in [
            ("operation", json!("Patch")),
            ("apiVersion", json!("")),
            ("fieldsType", json!(null)),
            ("fieldsType", json!("FieldsV2")),
            ("fieldsV1", json!({"spec": {}})),
        ] {
            let mut entry = update("a", 1, "x");
            entry[field] = value;
            assert!(managers(json!([update("b", 1, "x"), entry])).is_none(), "{field}");
        }
    }

    #[test]
    fn the_oldest_of_too_many_updaters_are_put_together() {
        let list: Vec<Value> =
            (0..12).map(|number| update(&format!("m{number:02}"), number, &format!("x{number}"))).collect();
        let mut capped = managers(list.into()).unwrap();
        capped.cap();
        let written = written(&capped);
        assert_eq!(written.len(), 10);
        let mut ancient = update("ancient-changes", 2, "x0");
        ancient["fieldsV1"] = json!({"f:x0": {}, "f:x1": {}, "f:x2": {}});
        assert_eq!(written[0], ancient);
        assert_eq!(written[1]["manager"], "m03");
    }

    #[test]
    fn updaters_of_different_versions_are_not_put_together() {
        let list: Vec<Value> = (0..12)
            .map(|number| {
                let mut entry = update(&format!("m{number:02}"), number, "x");
                entry["apiVersion"] = json!(if number < 11 { format!("v{number}") } else { "v0".to_owned() });
                entry
            })
            .collect();
        let mut capped = managers(list.into()).unwrap();
        capped.cap();
        assert_eq!(capped.0.len(), 11, "only the two of one version");
    }

    #[test]
    fn conflicts_name_a_manager_by_what_it_used() {
        let named = |operation, subresource| Manager::new("me", operation, "apps/v1", subresource).to_string();
        assert_eq!(named(Operation::Update, None), "\"me\" using apps/v1");
        assert_eq!(named(Operation::Update, Some("status")), "\"me\" with subresource \"status\" using apps/v1");
        assert_eq!(named(Operation::Apply, None), "\"me\"");
        assert_eq!(Manager::new("", Operation::Apply, "v1", None).name, "unknown");
    }

    #[test]
    fn only_a_time_may_differ() {
        let entries = |list: Value| Some(list.to_string().into());
        let both = |second, field| entries(json!([update("a", second, field), update("b", 3, "y")]));
        assert!(same_but_for_times(&both(1, "x"), &both(2, "x")));
        assert!(!same_but_for_times(&both(1, "x"), &both(1, "z")));
        assert!(!same_but_for_times(&both(1, "x"), &entries(json!([update("a", 1, "x")]))));
        assert!(!same_but_for_times(&both(1, "x"), &None));
    }
}

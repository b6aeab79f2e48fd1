//! Which set is the new one, and what the annotations say of revisions and sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::well_known::{annotation, label};
use serde_json::{Value, json};

use crate::controllers::deployment::numbers;
use crate::kinds::deployment::Deployment;
use crate::kinds::meta::Meta;
use crate::kinds::replica_set::ReplicaSet;
use crate::kinds::template::Template;

/// How many characters of old revisions are remembered.
const HISTORY: usize = 2000;

/// Annotations of a Deployment that are not its sets' business.
const NOT_COPIED: [&str; 5] = [
    annotation::LAST_APPLIED,
    annotation::DEPLOYMENT_REVISION,
    annotation::DEPLOYMENT_REVISION_HISTORY,
    annotation::DESIRED_REPLICAS,
    annotation::MAX_REPLICAS,
];

/// The set with the Deployment's template, the oldest if there are several, and all others, oldest first.
pub fn split(deployment: &Deployment, sets: &[Arc<ReplicaSet>]) -> (Option<Arc<ReplicaSet>>, Vec<Arc<ReplicaSet>>) {
    let mut sets = sets.to_vec();
    sets.sort_by(|one, two| numbers::age_key(one).cmp(&numbers::age_key(two)));
    let wanted = bare_template(&deployment.spec.template);
    let position = sets.iter().position(|set| bare_template(&set.spec.template) == wanted);
    let new = position.map(|position| sets.remove(position));
    (new, sets)
}

/// Whether two templates differ in no more than the label with their hash.
pub fn is_same_template(one: &Template, two: &Template) -> bool {
    bare_template(one) == bare_template(two)
}

fn bare_template(template: &Template) -> Value {
    let mut value = template.to_value();
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("creationTimestamp");
        if let Some(labels) = meta.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(label::POD_TEMPLATE_HASH);
        }
        meta.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
    }
    value
}

/// A short name for a template: letters that cannot form a word.
pub fn hash(template: &Template, collisions: Option<i32>) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = bare_template(template).to_string();
    let salt = collisions.map_or_else(Vec::new, |count| count.to_le_bytes().to_vec());
    let fnv = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619);
    let hash = text.as_bytes().iter().chain(&salt).fold(2_166_136_261_u32, fnv);
    hash.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect()
}

/// `name-hash`, short enough for what will be appended to it.
pub fn set_name(deployment: &Deployment, hash: &str) -> String {
    let longest = 253 - "-".len() - hash.len() - "-xxxxx".len();
    let base = &deployment.meta.name[..deployment.meta.name.len().min(longest)];
    format!("{base}-{hash}")
}

pub fn revision(meta: &Meta) -> i64 {
    meta.annotations.get(annotation::DEPLOYMENT_REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The size of the Deployment when the set was last scaled.
pub fn desired_replicas(meta: &Meta) -> Option<i32> {
    meta.annotations.get(annotation::DESIRED_REPLICAS)?.parse().ok()
}

/// That size with the surge.
pub fn max_replicas(meta: &Meta) -> Option<i32> {
    meta.annotations.get(annotation::MAX_REPLICAS)?.parse().ok()
}

/// The annotations that tell the Deployment's present size.
pub fn size_annotations(deployment: &Deployment) -> [(&'static str, String); 2] {
    let replicas = deployment.spec.replicas;
    [
        (annotation::DESIRED_REPLICAS, replicas.to_string()),
        (annotation::MAX_REPLICAS, (replicas + numbers::max_surge(deployment)).to_string()),
    ]
}

/// The annotations that the new set must get, if any: those of the Deployment, and its revision.
pub fn missing_annotations(
    deployment: &Deployment,
    new: &ReplicaSet,
    old: &[Arc<ReplicaSet>],
) -> BTreeMap<String, String> {
    let mut missing: BTreeMap<String, String> =
        copied(deployment).filter(|(key, value)| new.meta.annotations.get(key) != Some(value)).map(owned).collect();
    let next = old.iter().map(|set| revision(&set.meta)).max().unwrap_or(0) + 1;
    let current = revision(&new.meta);
    if current < next {
        missing.insert(annotation::DEPLOYMENT_REVISION.to_owned(), next.to_string());
        if current > 0 {
            // A set that was the newest before: it is rolled back to.
            let history = history(new.meta.annotations.get(annotation::DEPLOYMENT_REVISION_HISTORY), current);
            missing.insert(annotation::DEPLOYMENT_REVISION_HISTORY.to_owned(), history);
        }
    }
    missing
}

fn history(old: Option<&str>, revision: i64) -> String {
    let mut history = match old {
        None | Some("") => revision.to_string(),
        Some(old) => format!("{old},{revision}"),
    };
    while history.len() > HISTORY {
        match history.find(',') {
            Some(comma) => history.drain(..=comma),
            None => break,
        };
    }
    history
}

fn copied(deployment: &Deployment) -> impl Iterator<Item = (&str, &str)> {
    deployment.meta.annotations.iter().filter(|(key, _)| !NOT_COPIED.contains(key))
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// The set that a Deployment creates for its template.
pub fn new_set(deployment: &Deployment, old: &[Arc<ReplicaSet>], replicas: i32) -> (String, Value) {
    let hash = hash(&deployment.spec.template, deployment.status.collision_count);
    let name = set_name(deployment, &hash);
    let mut template = deployment.spec.template.to_value();
    template["metadata"]["labels"][label::POD_TEMPLATE_HASH] = json!(hash);
    let mut selector = json!(deployment.spec.selector.written);
    selector["matchLabels"][label::POD_TEMPLATE_HASH] = json!(hash);
    let next = old.iter().map(|set| revision(&set.meta)).max().unwrap_or(0) + 1;
    let mut annotations: BTreeMap<String, String> = copied(deployment).map(owned).collect();
    annotations.insert(annotation::DEPLOYMENT_REVISION.to_owned(), next.to_string());
    annotations.extend(size_annotations(deployment).map(|(key, value)| (key.to_owned(), value)));
    let owner = crate::kinds::meta::OwnerReference::controlling(
        &<Deployment as crate::kinds::kind::Kind>::RESOURCE,
        &deployment.meta,
    );
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment.meta.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.spec.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    });
    (name, set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(image: &str, hash: Option<&str>) -> Template {
        let mut value = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": image}]}});
        if let Some(hash) = hash {
            value["metadata"]["labels"][label::POD_TEMPLATE_HASH] = json!(hash);
        }
        value.into()
    }

    fn set(name: &str, image: &str, revision: &str, second: i64) -> Arc<ReplicaSet> {
        let mut set = ReplicaSet::default();
        set.meta.name = name.into();
        set.meta.creation_timestamp = jiff::Timestamp::from_second(second).ok();
        set.meta.annotations = [(annotation::DEPLOYMENT_REVISION, revision)].into_iter().collect();
        set.spec.template = template(image, Some("xyz"));
        Arc::new(set)
    }

    fn deployment(image: &str) -> Deployment {
        let mut deployment = Deployment::default();
        deployment.meta.name = "web".into();
        deployment.spec.template = template(image, None);
        deployment
    }

    #[test]
    fn the_new_set_is_the_oldest_with_the_template() {
        let sets = [set("c", "two", "3", 3), set("b", "two", "2", 2), set("a", "one", "1", 1)];
        let (new, old) = split(&deployment("two"), &sets);
        assert_eq!(&*new.unwrap().meta.name, "b");
        assert_eq!(old.iter().map(|set| &*set.meta.name).collect::<Vec<_>>(), ["a", "c"]);
        assert!(split(&deployment("three"), &sets).0.is_none());
    }

    #[test]
    fn the_hash_depends_on_the_template_and_on_collisions() {
        let (one, two) = (template("one", None), template("two", None));
        assert_eq!(hash(&one, None), hash(&template("one", Some("old")), None));
        assert_ne!(hash(&one, None), hash(&two, None));
        assert_ne!(hash(&one, None), hash(&one, Some(1)));
        assert!(hash(&one, None).bytes().all(|letter| b"bcdfghjklmnpqrstvwxz2456789".contains(&letter)));
    }

    #[test]
    fn a_set_that_is_rolled_back_to_gets_the_next_revision_and_a_history() {
        let new = set("a", "one", "1", 1);
        let missing = missing_annotations(&deployment("one"), &new, &[set("b", "two", "2", 2)]);
        assert_eq!(missing[annotation::DEPLOYMENT_REVISION], "3");
        assert_eq!(missing[annotation::DEPLOYMENT_REVISION_HISTORY], "1");
        assert_eq!(history(Some("1,3"), 5), "1,3,5");
        assert!(history(Some(&"7,".repeat(1500)), 9).len() <= HISTORY);
    }

    #[test]
    fn the_newest_set_keeps_its_revision() {
        let new = set("b", "two", "5", 2);
        assert!(missing_annotations(&deployment("two"), &new, &[set("a", "one", "1", 1)]).is_empty());
    }

    #[test]
    fn annotations_are_copied_but_for_those_of_the_controller() {
        let mut deployment = deployment("two");
        deployment.meta.annotations = [("team", "x"), (annotation::DEPLOYMENT_REVISION, "9")].into_iter().collect();
        let missing = missing_annotations(&deployment, &set("b", "two", "5", 2), &[]);
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), [("team".to_owned(), "x".to_owned())]);
        let (name, set) = new_set(&deployment, &[], 4);
        assert_eq!(set["metadata"]["annotations"][annotation::DEPLOYMENT_REVISION], "1");
        assert_eq!(set["spec"]["selector"]["matchLabels"][label::POD_TEMPLATE_HASH], name["web-".len()..]);
        assert_eq!(set["spec"]["template"]["metadata"]["labels"]["app"], "web");
    }
}

//! From a write to the managed fields that it leaves: of creations, of changes, and of applied configurations.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::failure::Failure;
use api::names::{self, GroupVersionKind};
use api::schema;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::kinds::canonical::ManagedFields;
use crate::kinds::erased::KindRef;
use crate::registry::managed_fields::compare::{Comparison, compare};
use crate::registry::managed_fields::conflict::Conflicts;
use crate::registry::managed_fields::managers::{Claim, Manager, Managers, Operation};
use crate::registry::managed_fields::node::{Node, Tape, Text};
use crate::registry::managed_fields::prune::prune;
use crate::registry::managed_fields::reset::{never_managed, out_of_reach};
use crate::registry::managed_fields::set::Set;
use crate::registry::managed_fields::types::Type;
use crate::registry::managed_fields::versions::Versions;
use crate::registry::managed_fields::walk::claimed;
use crate::registry::managed_fields::{last_applied, merge, validate, zero};

/// Manages what an object had before somebody first applied to it.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who writes, through what, and when.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    pub kind: KindRef,
    pub manager: &'a str,
    pub subresource: Option<&'a str>,
    pub now: Timestamp,
}

/// The managed fields of a new object. `object` is it in JSON without any; `sent` are those that came with it.
pub fn after_create(writer: Writer<'_>, object: &[u8], sent: ManagedFields) -> Result<ManagedFields, Failure> {
    let managers = sent.as_deref().and_then(Managers::read).unwrap_or_default();
    let nothing = nothing(writer.kind);
    let (nothing, new) = (read(nothing.as_bytes())?, read(object)?);
    Ok(noted(writer, managers, nothing.root(), new.root()).write())
}

/// The managed fields of an object that was changed otherwise than by being applied. `old` and `new` are its states in JSON
/// without any, `known` those that it had, `sent` those that came with the change.
pub fn after_change(
    writer: Writer<'_>,
    old: &Bytes,
    new: &Bytes,
    known: &ManagedFields,
    sent: ManagedFields,
) -> Result<ManagedFields, Failure> {
    // Only a write of the object itself may touch them.
    let sent = sent.filter(|_| writer.subresource.is_none());
    let says_nothing_new = sent.is_none() || sent == *known;
    if old == new && says_nothing_new {
        return Ok(known.clone());
    }
    let managers = match sent {
        Some(sent) if is_reset(&sent) => Managers::default(),
        sent => {
            let sent = sent.as_deref().and_then(Managers::read).filter(|managers| !managers.0.is_empty());
            sent.or_else(|| known.as_deref().and_then(Managers::read)).unwrap_or_default()
        }
    };
    // An object that nobody manages is left so, until somebody applies to it.
    if managers.0.is_empty() || old == new {
        return Ok(managers.write());
    }
    let (old, new) = (read(old)?, read(new)?);
    Ok(noted(writer, managers, old.root(), new.root()).write())
}

/// A list that is there and says nothing takes all entries off.
fn is_reset(sent: &[u8]) -> bool {
    matches!(sent, b"[]" | b"[{}]")
}

fn read(object: &[u8]) -> Result<Tape<'_>, Failure> {
    let tape = std::str::from_utf8(object).ok().and_then(Tape::read);
    tape.ok_or_else(|| Failure::internal("read an object: it is no JSON"))
}

/// What a new object of this kind is compared with.
fn nothing(kind: KindRef) -> Arc<str> {
    let facts = kind.facts();
    let definition = schema::of_kind(facts.group, facts.version, facts.kind);
    definition.map_or_else(|| "{}".into(), zero::zero)
}

/// The managers after an update from one state to another.
fn noted(writer: Writer<'_>, mut managers: Managers, old: Text<'_>, new: Text<'_>) -> Managers {
    let change = Change::new(writer, old, new);
    change.take_from(&mut managers, None);
    let Change { versions, paths: Paths { mut written, .. }, .. } = change;
    written.subtract(never_managed());
    if !written.is_empty() {
        let manager = Manager::new(writer.manager, Operation::Update, &versions.own, writer.subresource);
        match managers.0.get_mut(&manager) {
            Some(claim) => {
                claim.set.unite(&written);
                claim.time = Some(writer.now);
            }
            None => {
                let claim = Claim { set: written, version: versions.own, time: Some(writer.now) };
                managers.0.insert(manager, claim);
            }
        }
    }
    managers.cap();
    managers
}

/// The paths at which an object was changed, without those out of the writer's reach.
struct Paths {
    written: Set,
    removed: Set,
}

impl Paths {
    fn new(comparison: Comparison, out_of_reach: &Set) -> Self {
        let Comparison { added: mut written, modified, mut removed } = comparison;
        written.unite(&modified);
        written.subtract_whole(out_of_reach);
        removed.subtract_whole(out_of_reach);
        Self { written, removed }
    }
}

/// A change of an object, as seen by its managers.
struct Change<'a> {
    versions: Versions,
    out_of_reach: Set,
    paths: Paths,
    old: Text<'a>,
    new: Text<'a>,
}

impl<'a> Change<'a> {
    fn new(writer: Writer<'a>, old: Text<'a>, new: Text<'a>) -> Self {
        let versions = Versions::of(writer.kind);
        let out_of_reach = out_of_reach(writer.kind, writer.subresource);
        let paths = Paths::new(compare(versions.own_type(), Some(old), Some(new)), &out_of_reach);
        Self { versions, out_of_reach, paths, old, new }
    }

    /// The change in the words of another version. None if that is not served any more.
    fn paths_at(&self, version: &str) -> Option<Paths> {
        let converted = |text: Text<'_>| {
            let value = text.to_value();
            Some(self.versions.convert(&value, &self.versions.own, version)?.to_string())
        };
        let (old, new) = (converted(self.old)?, converted(self.new)?);
        let (old, new) = (Tape::read(&old)?, Tape::read(&new)?);
        let comparison = compare(self.versions.type_at(version), Some(old.root()), Some(new.root()));
        Some(Paths::new(comparison, &self.out_of_reach))
    }

    /// Takes from all other managers what was written or removed, and tells what they lost by writing.
    fn take_from(&self, managers: &mut Managers, myself: Option<&Manager>) -> Conflicts {
        let mut others: BTreeMap<String, Option<Paths>> = BTreeMap::new();
        let mut conflicts = Conflicts::default();
        managers.0.retain(|manager, claim| {
            if Some(manager) == myself {
                return !claim.set.is_empty();
            }
            let paths = if claim.version == self.versions.own {
                Some(&self.paths)
            } else {
                let other = others.entry(claim.version.clone());
                other.or_insert_with_key(|version| self.paths_at(version)).as_ref()
            };
            let Some(paths) = paths else { return false };
            let lost = claim.set.shared_with(&paths.written);
            if !lost.is_empty() {
                claim.set.subtract(&lost);
                conflicts.0.push((manager.clone(), lost));
            }
            claim.set.subtract(&paths.removed);
            !claim.set.is_empty()
        });
        conflicts
    }
}

/// An object to which a configuration was applied.
pub struct Applied {
    pub object: Value,
    pub managed_fields: ManagedFields,
}

/// Lays a configuration onto the live object, which is given without its managed fields, `known`. There is none yet if it is
/// to be created.
pub fn apply(
    writer: Writer<'_>,
    live: Option<&Value>,
    known: &ManagedFields,
    config: &Value,
    force: bool,
) -> Result<Applied, Failure> {
    check(writer.kind.facts().gvk(), config)?;
    let mut managers = known.as_deref().and_then(Managers::read).unwrap_or_default();
    if let Some(live) = live.filter(|_| managers.0.is_empty()) {
        let before = Writer { manager: BEFORE_FIRST_APPLY, ..writer };
        let (nothing, live) = (nothing(writer.kind), live.to_string());
        let (nothing, live) = (read(nothing.as_bytes())?, read(live.as_bytes())?);
        managers = noted(before, managers, nothing.root(), live.root());
    }
    let empty = Value::Object(Map::new());
    let live = live.unwrap_or(&empty);
    let (conflicts, mut applied) = laid_on(writer, live, &managers, config)?;
    if !conflicts.is_empty() && !force {
        let versions = Versions::of(writer.kind);
        let of_kubectl = (writer.manager == last_applied::KUBECTL)
            .then(|| last_applied::still_as_applied(versions.own_type(), &versions.own, live))
            .flatten();
        let left = conflicts.without(&of_kubectl.unwrap_or_default());
        if !left.is_empty() {
            return Err(left.failure());
        }
    }
    if writer.manager == last_applied::KUBECTL {
        last_applied::keep_fresh(&mut applied.object, config);
    }
    Ok(applied)
}

/// What comes of a configuration when all conflicts are decided for it.
fn laid_on(
    writer: Writer<'_>,
    live: &Value,
    before: &Managers,
    config: &Value,
) -> Result<(Conflicts, Applied), Failure> {
    let versions = Versions::of(writer.kind);
    let of = versions.own_type();
    let myself = Manager::new(writer.manager, Operation::Apply, &versions.own, writer.subresource);
    let mut managers = before.clone();
    let last = managers.0.remove(&myself);
    let mut set = claimed(of, config);
    set.subtract_whole(&out_of_reach(writer.kind, writer.subresource));
    let time = last.as_ref().and_then(|last| last.time);
    managers.0.insert(myself.clone(), Claim { set, version: versions.own.clone(), time });
    let merged = merge::merge(of, Some(live), Some(config)).unwrap_or_default();
    let object = prune(&versions, merged, &managers, last.as_ref());
    let (old, new) = (live.to_string(), object.to_string());
    let (old, new) = (read(old.as_bytes())?, read(new.as_bytes())?);
    let conflicts = Change::new(writer, old.root(), new.root()).take_from(&mut managers, Some(&myself));
    if let Some(claim) = managers.0.get_mut(&myself) {
        claim.set.subtract(never_managed());
    }
    managers.drop_empty();
    let changes_something = object != *live || !managers.agree_with(before);
    if let Some(claim) = managers.0.get_mut(&myself).filter(|_| changes_something) {
        claim.time = Some(writer.now);
    }
    Ok((conflicts, Applied { object, managed_fields: managers.write() }))
}

/// Whether a configuration is one of this kind, fits its type, and leaves the managed fields alone.
pub fn check(gvk: GroupVersionKind, config: &Value) -> Result<(), Failure> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") != names::api_version(gvk.group, gvk.version) || text("kind") != gvk.kind {
        return Err(Failure::bad_request(format!("invalid object type: {}", type_of(config))));
    }
    let metadata = config.get("metadata");
    if metadata.and_then(|metadata| metadata.get("managedFields")).is_some_and(|fields| !fields.is_null()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let of = schema::of_kind(gvk.group, gvk.version, gvk.kind).map_or(Type::Deduced, Type::Struct);
    let complaints = validate::complaints(of, config);
    if complaints.is_empty() {
        return Ok(());
    }
    let named =
        |name: &str| metadata.and_then(|metadata| metadata.get(name)).and_then(Value::as_str).unwrap_or_default();
    Err(Failure::bad_request(format!(
        "failed to create typed patch object ({}/{}; {}): {}",
        named("namespace"),
        named("name"),
        type_of(config),
        validate::joined(&complaints)
    )))
}

/// `apps/v1, Kind=Deployment`.
fn type_of(config: &Value) -> String {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let version = text("apiVersion");
    let slash = if version.contains('/') || version.is_empty() { "" } else { "/" };
    format!("{slash}{version}, Kind={}", text("kind"))
}

//! What is known of a kind without an object of it: names, verbs, subresources, flags.

use api::names::{self, GroupResource, GroupVersionKind, NameRule};

pub const ALL_VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// For kinds that are questions.
pub const CREATE_ONLY: &[&str] = &["create"];

/// A kind as discovery, routes and error texts speak of it.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub verbs: &'static [&'static str],
    pub subresources: &'static [Subresource],
    pub flags: Flags,
    pub name_rule: NameRule,
    /// A warning for every answer about the kind, reads too.
    pub deprecation: Option<&'static str>,
}

impl Facts {
    pub fn resource(&self) -> GroupResource {
        GroupResource { group: self.group, resource: self.plural }
    }

    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind { group: self.group, version: self.version, kind: self.kind }
    }

    pub fn api_version(&self) -> String {
        names::api_version(self.group, self.version)
    }

    pub fn singular(&self) -> String {
        self.kind.to_ascii_lowercase()
    }

    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }
}

/// A part or a view of an object with a path of its own.
#[derive(Debug, Clone, Copy)]
pub struct Subresource {
    pub name: &'static str,
    pub verbs: &'static [&'static str],
    /// What is read and written there, where that is not the kind itself.
    pub of: Option<GroupVersionKind>,
}

pub const STATUS: Subresource = Subresource { name: "status", verbs: &["get", "patch", "update"], of: None };
pub const SCALE: Subresource = Subresource {
    name: "scale",
    verbs: &["get", "patch", "update"],
    of: Some(GroupVersionKind { group: "autoscaling", version: "v1", kind: "Scale" }),
};

/// The verbs of what is behind a proxy.
pub const PROXIED: &[&str] = &["create", "delete", "get", "patch", "update"];

/// A subresource at which a connection is opened, with these options of the core group.
pub const fn connection(name: &'static str, verbs: &'static [&'static str], options: &'static str) -> Subresource {
    Subresource { name, verbs, of: Some(GroupVersionKind { group: "", version: "v1", kind: options }) }
}

/// Where kinds differ in what verbs do to them.
#[derive(Debug, Clone, Copy)]
pub struct Flags {
    /// A PUT on a name that is not there creates.
    pub create_on_update: bool,
    /// A PUT may leave `metadata.resourceVersion` out.
    pub unconditional_update: bool,
    /// DELETE answers with the object instead of a Status.
    pub returns_deleted: bool,
    /// `metadata.generation` counts changes of `spec`.
    pub counts_generations: bool,
    /// Not worth a write to disk: served from memory.
    pub volatile: bool,
    /// Deletion gives no thought to dependents: no propagation finalizers.
    pub ignores_dependents: bool,
    /// A deletion that says nothing of dependents leaves them alone, where others take them along.
    pub orphans_by_default: bool,
}

impl Flags {
    /// What most kinds do.
    pub const USUAL: Self = Self {
        create_on_update: false,
        unconditional_update: true,
        returns_deleted: false,
        counts_generations: false,
        volatile: false,
        ignores_dependents: false,
        orphans_by_default: false,
    };
}

/// The head of a table column.
#[derive(Debug, Clone, Copy)]
pub struct ColumnHead {
    pub name: &'static str,
    /// `string`, `integer`, `boolean` or `date`.
    pub kind: &'static str,
    /// `name` for the column with the object's name, else empty.
    pub format: &'static str,
    pub description: &'static str,
    /// 0, or 1 for columns that only a wide listing shows.
    pub priority: i32,
}

/// A field that selectors may ask for, besides `metadata.name` and `metadata.namespace`.
#[derive(Debug, Clone, Copy)]
pub struct FieldLabel {
    pub label: &'static str,
    pub path: &'static [&'static str],
    /// The value of an object that lacks the field.
    pub default: &'static str,
}

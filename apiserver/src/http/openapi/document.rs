//! What stands in a document: the paths of a group and version or of discovery, and the types that these lead to.

use std::collections::BTreeSet;

use api::names::api_version;
use api::schema::Definition;
use api::schema::descriptions::Descriptions;
use serde_json::Value;
use sha2::{Digest, Sha512};

use crate::http::openapi::operation::{self, OBJECT_TYPES};
use crate::http::openapi::paths::{self, Place, Plain};
use crate::http::openapi::{naming, schemas};
use crate::kinds::facts::Facts;

/// Takes a document piece by piece, so that it never stands in memory as a tree: first all paths, then all types.
pub trait Writer {
    fn path(&mut self, path: &str, item: Value);
    fn schema(&mut self, name: &str, schema: Value);
}

/// A document of OpenAPI v3.
pub struct Document {
    /// Below `/openapi/v3/`: `api/v1`, `apis/apps/v1`.
    pub path: String,
    subject: Subject,
}

enum Subject {
    Plain(Plain),
    Version { group: &'static str, version: &'static str, kinds: Vec<&'static Facts> },
}

/// All documents: those of discovery, that of the version, and one for each group and version.
pub fn list(kinds: &[&'static Facts]) -> Vec<Document> {
    let plain = |path: &str, id: &str, description, tag: &str, schema| Document {
        path: path.to_owned(),
        subject: Subject::Plain(Plain {
            path: format!("/{path}/"),
            id: id.to_owned(),
            description,
            tag: tag.to_owned(),
            schema,
            types: if path == "version" { &["application/json"] } else { OBJECT_TYPES },
        }),
    };
    let (versions, version) = ("get available API versions", "get the version information for this server");
    let mut documents = vec![
        plain("api", "getCoreAPIVersions", versions, "core", "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions"),
        plain("apis", "getAPIVersions", versions, "apis", "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList"),
        plain("version", "getCodeVersion", version, "version", "io.k8s.apimachinery.pkg.version.Info"),
    ];
    for facts in kinds.iter().copied() {
        let path = path(facts.group, facts.version);
        let known = documents.iter_mut().find(|document| document.path == path);
        if let Some(Document { subject: Subject::Version { kinds, .. }, .. }) = known {
            kinds.push(facts);
            continue;
        }
        let of_group = format!("apis/{}", facts.group);
        if !facts.group.is_empty() && documents.iter().all(|document| document.path != of_group) {
            let name = naming::group(facts.group);
            let id = format!("get{}APIGroup", naming::capitalized(&name));
            let schema = "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup";
            documents.push(plain(&of_group, &id, "get information of a group", &name, schema));
        }
        let (group, version) = (facts.group, facts.version);
        documents.push(Document { path, subject: Subject::Version { group, version, kinds: vec![facts] } });
    }
    documents
}

/// `api/v1`, `apis/apps/v1`.
fn path(group: &str, version: &str) -> String {
    format!("{}/{}", if group.is_empty() { "api" } else { "apis" }, api_version(group, version))
}

impl Document {
    /// Sorted by path.
    fn places(&self) -> Vec<Place> {
        let root = format!("/{}", self.path);
        let mut places = match &self.subject {
            Subject::Plain(plain) => vec![Place::plain(plain.clone())],
            Subject::Version { group, version, kinds } => {
                let kinds = kinds.iter().flat_map(|facts| paths::of_kind(&root, facts));
                kinds.chain([Place::plain(Plain::of_version(&root, group, version))]).collect()
            }
        };
        places.sort_by(|one, other| one.path.cmp(&other.path));
        places
    }

    fn watches(&self) -> bool {
        match &self.subject {
            Subject::Version { kinds, .. } => kinds.iter().any(|facts| facts.allows("watch")),
            Subject::Plain(_) => false,
        }
    }

    /// Takes in all that the document follows from, besides the program.
    pub fn hash(&self, hash: &mut Sha512) {
        hash.update(&self.path);
        let Subject::Version { kinds, .. } = &self.subject else { return };
        for facts in kinds {
            let parts = (facts.kind, facts.plural, facts.namespaced, facts.verbs, facts.subresources, facts.flags);
            hash.update(format!("{parts:?}"));
        }
    }
}

/// Writes the paths of these documents, and all types that they lead to.
pub fn write(documents: &[Document], writer: &mut dyn Writer) {
    let mut used = BTreeSet::new();
    for document in documents {
        for place in document.places() {
            let item = place.item();
            schemas::references(&item, &mut |definition| _ = used.insert(definition));
            writer.path(&place.path, item);
        }
        if document.watches() {
            used.extend(operation::meta("WatchEvent"));
        }
    }
    let mut about = vec![("", "v1")];
    for document in documents {
        if let Subject::Version { group, version, .. } = &document.subject
            && !about.contains(&(group, version))
        {
            about.push((group, version));
        }
    }
    let descriptions = Descriptions::unpack();
    for definition in reachable(used) {
        writer.schema(definition.name(), schemas::of(definition, &descriptions, &about));
    }
}

/// All types that these lead to, and themselves.
fn reachable(roots: BTreeSet<Definition>) -> BTreeSet<Definition> {
    let mut found = roots.clone();
    let mut open: Vec<Definition> = roots.into_iter().collect();
    while let Some(definition) = open.pop() {
        let shapes = definition.properties().map(api::schema::Property::shape).chain([definition.shape()]);
        for other in shapes.filter_map(api::schema::Shape::referred) {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    found
}

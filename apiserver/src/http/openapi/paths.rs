//! The paths of a document, with the operations on each.

use api::names::GroupVersionKind;
use serde_json::{Map, Value, json};

use crate::http::openapi::naming::{self, capitalized, with_article};
use crate::http::openapi::operation::{self, OBJECT_TYPES, Operation};
use crate::http::openapi::parameters::{self, PRETTY};
use crate::kinds::facts::{Facts, Subresource};

/// A path, and what stands behind it.
pub struct Place {
    pub path: String,
    what: What,
}

enum What {
    /// A document of discovery or the version.
    Plain(Plain),
    Kind(&'static Facts, Scope, Part),
}

/// Which objects a path of a kind reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The objects of all namespaces.
    Everywhere,
    /// Those of one namespace, or all of a kind that has no namespaces.
    Collection,
    Object,
}

/// What of the objects.
#[derive(Debug, Clone, Copy)]
enum Part {
    Whole,
    /// The old prefix for watches.
    Watch,
    Subresource(&'static Subresource),
    /// A path behind a proxy.
    Behind(&'static Subresource),
}

/// A path with one answer that is no object.
#[derive(Clone)]
pub struct Plain {
    pub path: String,
    pub id: String,
    pub description: &'static str,
    pub tag: String,
    /// The name of the type that is answered.
    pub schema: &'static str,
    pub types: &'static [&'static str],
}

impl Place {
    pub fn plain(plain: Plain) -> Self {
        Self { path: plain.path.clone(), what: What::Plain(plain) }
    }

    pub fn item(&self) -> Value {
        match &self.what {
            What::Plain(plain) => json!({"get": plain.operation()}),
            What::Kind(facts, scope, part) => item(facts, *scope, *part),
        }
    }
}

impl Plain {
    /// The list of all that a version serves.
    pub fn of_version(root: &str, group: &str, version: &str) -> Self {
        Self {
            path: format!("{root}/"),
            id: format!("get{}APIResources", naming::version(group, version)),
            description: "get available resources",
            tag: naming::tag(group, version),
            schema: "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList",
            types: OBJECT_TYPES,
        }
    }

    fn operation(&self) -> Value {
        let schema = operation::reference(api::schema::definition(self.schema));
        json!({
            "tags": [self.tag],
            "operationId": self.id,
            "description": self.description,
            "responses": operation::responses(&["200"], self.types, &schema),
        })
    }
}

/// All paths of a kind below the path of its version.
pub fn of_kind(root: &str, facts: &'static Facts) -> Vec<Place> {
    let plural = facts.plural;
    let within = if facts.namespaced { "namespaces/{namespace}/" } else { "" };
    let collection = format!("{within}{plural}");
    let object = format!("{collection}/{{name}}");
    let mut places = Vec::new();
    let mut add = |path: String, scope, part| {
        let place = Place { path: format!("{root}/{path}"), what: What::Kind(facts, scope, part) };
        if !operations(facts, scope, part).is_empty() {
            places.push(place);
        }
    };
    for (prefix, part) in [("", Part::Whole), ("watch/", Part::Watch)] {
        if facts.namespaced {
            add(format!("{prefix}{plural}"), Scope::Everywhere, part);
        }
        add(format!("{prefix}{collection}"), Scope::Collection, part);
        add(format!("{prefix}{object}"), Scope::Object, part);
    }
    for subresource in facts.subresources {
        let path = format!("{object}/{}", subresource.name);
        if subresource.name == "proxy" {
            add(format!("{path}/{{path}}"), Scope::Object, Part::Behind(subresource));
        }
        add(path, Scope::Object, Part::Subresource(subresource));
    }
    places
}

/// The methods of a path. What all of them take, the path takes.
fn item(facts: &'static Facts, scope: Scope, part: Part) -> Value {
    let mut operations = operations(facts, scope, part);
    let kind = operations.first().map_or(facts.kind, |operation| operation.kind.kind);
    let mut common = Vec::new();
    if scope == Scope::Object {
        common.push(parameters::in_path("name", &format!("name of the {kind}")));
    }
    if facts.namespaced && scope != Scope::Everywhere {
        common.push(parameters::in_path("namespace", "the namespace of the object"));
    }
    if let Part::Behind(_) = part {
        common.push(parameters::in_path("path", "the path behind the proxy"));
    }
    if operations.iter().any(|operation| operation.action != "connect") {
        common.push(PRETTY.to_value());
    }
    let (first, rest) = operations.split_first_mut().expect("a path without operations is not listed");
    for parameter in std::mem::take(&mut first.parameters) {
        if rest.iter().all(|operation| operation.parameters.contains(&parameter)) {
            rest.iter_mut().for_each(|operation| operation.parameters.retain(|other| *other != parameter));
            common.push(parameter);
        } else {
            first.parameters.push(parameter);
        }
    }
    common.sort_by_key(|parameter| parameter["name"].as_str().unwrap_or_default().to_owned());
    let tag = naming::tag(facts.group, facts.version);
    let mut item: Map<String, Value> =
        operations.into_iter().map(|operation| (operation.method.to_owned(), operation.into_value(&tag))).collect();
    item.insert("parameters".to_owned(), common.into());
    item.into()
}

fn operations(facts: &'static Facts, scope: Scope, part: Part) -> Vec<Operation> {
    match part {
        Part::Whole => {
            let verbs: &[&str] = match scope {
                Scope::Everywhere => &["list"],
                Scope::Collection => &["list", "create", "deletecollection"],
                Scope::Object => &["get", "update", "patch", "delete"],
            };
            let allowed = verbs.iter().filter(|verb| facts.allows(verb));
            allowed.map(|verb| whole(facts, scope, verb)).collect()
        }
        Part::Watch if facts.allows("watch") => {
            let verb = if scope == Scope::Object { "watch" } else { "watchlist" };
            vec![watch(facts, scope, verb)]
        }
        Part::Watch => Vec::new(),
        Part::Subresource(subresource) => of_subresource(facts, subresource, ""),
        Part::Behind(subresource) => of_subresource(facts, subresource, "WithPath"),
    }
}

fn whole(facts: &'static Facts, scope: Scope, verb: &str) -> Operation {
    let kind = facts.kind;
    let version = naming::version(facts.group, facts.version);
    let namespaced = if facts.namespaced && scope != Scope::Everywhere { "Namespaced" } else { "" };
    let everywhere = if scope == Scope::Everywhere { "ForAllNamespaces" } else { "" };
    let id = match verb {
        "deletecollection" => format!("delete{version}Collection{namespaced}{kind}"),
        _ => format!("{}{version}{namespaced}{kind}{everywhere}", word(verb)),
    };
    let description = match verb {
        "list" if facts.allows("watch") => format!("list or watch objects of kind {kind}"),
        "list" => format!("list objects of kind {kind}"),
        "create" | "delete" => format!("{verb} {}", with_article(kind)),
        "deletecollection" => format!("delete collection of {kind}"),
        _ => format!("{} the specified {kind}", phrase(verb)),
    };
    Operation { id, description, ..operation::of_verb(verb, facts.gvk(), facts.flags.returns_deleted) }
}

fn watch(facts: &'static Facts, scope: Scope, verb: &'static str) -> Operation {
    let kind = facts.kind;
    let version = naming::version(facts.group, facts.version);
    let namespaced = if facts.namespaced && scope != Scope::Everywhere { "Namespaced" } else { "" };
    let instead = "deprecated: use the 'watch' parameter with a list operation instead";
    let (list, description) = match scope {
        Scope::Object => {
            let text = format!("watch changes to an object of kind {kind}. {instead}");
            ("", text + ", filtered to a single item with the 'fieldSelector' parameter.")
        }
        Scope::Collection => ("List", format!("watch individual changes to a list of {kind}. {instead}.")),
        Scope::Everywhere => {
            ("ListForAllNamespaces", format!("watch individual changes to a list of {kind}. {instead}."))
        }
    };
    let id = format!("watch{version}{namespaced}{kind}{list}");
    Operation { id, description, ..operation::of_verb(verb, facts.gvk(), false) }
}

fn of_subresource(facts: &'static Facts, subresource: &Subresource, behind: &str) -> Vec<Operation> {
    let of = subresource.of.unwrap_or(facts.gvk());
    let version = naming::version(facts.group, facts.version);
    let namespaced = if facts.namespaced { "Namespaced" } else { "" };
    let (kind, part) = (facts.kind, capitalized(subresource.name));
    if parameters::of_connection(of.kind).is_some() {
        let methods = connection_methods(subresource);
        let connect = |method: &'static str| Operation {
            id: format!("connect{version}{}{namespaced}{kind}{part}{behind}", capitalized(method)),
            description: format!("connect {} requests to {} of {kind}", method.to_uppercase(), subresource.name),
            ..operation::of_connection(method, of)
        };
        return methods.into_iter().map(connect).collect();
    }
    let verbs = ["get", "create", "update", "patch", "delete"];
    let served = verbs.into_iter().filter(|verb| subresource.verbs.contains(verb));
    let operation = |verb: &str| {
        let of_whom =
            if matches!(verb, "create" | "delete") { with_article(kind) } else { format!("the specified {kind}") };
        let operation = content(subresource, verb, of);
        Operation {
            id: format!("{}{version}{namespaced}{kind}{part}", word(verb)),
            description: format!("{} {} of {of_whom}", phrase(verb), subresource.name),
            ..operation
        }
    };
    served.map(operation).collect()
}

fn content(subresource: &Subresource, verb: &str, of: GroupVersionKind) -> Operation {
    if subresource.name == "log" { operation::of_log(of) } else { operation::of_verb(verb, of, false) }
}

fn connection_methods(subresource: &Subresource) -> Vec<&'static str> {
    let methods = [("create", "post"), ("delete", "delete"), ("get", "get"), ("patch", "patch"), ("update", "put")];
    let served = methods.into_iter().filter(|(verb, _)| subresource.verbs.contains(verb));
    let mut methods: Vec<&str> = served.map(|(_, method)| method).collect();
    if subresource.name == "proxy" {
        methods.extend(["head", "options"]);
    }
    methods
}

/// A verb inside operation ids.
fn word(verb: &str) -> &str {
    match verb {
        "get" => "read",
        "update" => "replace",
        other => other,
    }
}

/// A verb inside descriptions.
fn phrase(verb: &str) -> &str {
    if verb == "patch" { "partially update" } else { word(verb) }
}

//! What a command works on: the types and names of its arguments, resolved against what the server serves.

use serde_json::Value;

use crate::discovery::{Discovery, Resource};
use crate::error::CliError;
use crate::manifests::{Files, Manifest};
use crate::object;
use crate::request::Call;
use crate::session::Session;

/// How many objects a server is asked for at once.
const CHUNK: usize = 500;

// The flags that narrow a list. (No doc comment: it would be shown as help.)
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Selectors {
    /// Label selector: app=web,tier!=cache or 'app in (web, shop)'
    #[arg(short = 'l', long = "selector", value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    pub labels: String,
    /// Field selector: metadata.name=x,status.phase!=Running
    #[arg(long = "field-selector", value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    pub fields: String,
    /// How many objects to ask the server for at once; 0 for all
    #[arg(long, value_name = "COUNT", default_value_t = CHUNK, hide_short_help = true)]
    pub chunk_size: usize,
}

impl Selectors {
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn on(&self, call: Call) -> Call {
        call.query_unless_empty("labelSelector", &self.labels).query_unless_empty("fieldSelector", &self.fields)
    }
}

/// One object, or all objects of a type in a place.
#[derive(Debug, Clone)]
pub struct Target {
    pub resource: Resource,
    /// None for what has no namespace, and for all namespaces at once.
    pub namespace: Option<String>,
    /// None for all of the type.
    pub name: Option<String>,
    /// The manifest that named it.
    pub manifest: Option<Manifest>,
}

impl Target {
    pub fn path(&self) -> String {
        match &self.name {
            Some(name) => self.resource.path(self.namespace.as_deref(), name),
            None => self.resource.collection(self.namespace.as_deref()),
        }
    }

    pub fn subresource(&self, name: &str) -> String {
        format!("{}/{name}", self.path())
    }

    /// The target that is this very object, one of those that a list gave.
    pub fn one(&self, object: &Value) -> Self {
        let namespace = object::namespace(object);
        Self {
            resource: self.resource.clone(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: Some(object::name(object).to_owned()),
            manifest: None,
        }
    }
}

/// All targets of a command, and what was wrong with some of them.
#[derive(Debug, Default)]
pub struct Targets {
    pub list: Vec<Target>,
    pub errors: Vec<CliError>,
    /// Whether the arguments name exactly one object, so that it is printed by itself and not in a list.
    pub is_single: bool,
}

/// What the user typed that decides on the targets.
pub struct Asked<'a> {
    pub command: &'a str,
    pub words: &'a [String],
    pub files: &'a Files,
    pub selectors: &'a Selectors,
    pub all_namespaces: bool,
}

impl Asked<'_> {
    pub async fn resolve(&self, session: &Session, discovery: &Discovery) -> Result<Targets, CliError> {
        if !self.files.is_empty() {
            if !self.words.is_empty() {
                let message =
                    "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well";
                return Err(CliError::local(message));
            }
            return self.of_files(session, discovery).await;
        }
        let pairs = parse_words(self.words, discovery)?;
        let names_given = pairs.iter().any(|(_, name)| name.is_some());
        if names_given && !self.selectors.labels.is_empty() {
            return Err(CliError::local("name cannot be provided when a selector is specified"));
        }
        if names_given && self.all_namespaces {
            return Err(CliError::local("a resource cannot be retrieved by name across all namespaces"));
        }
        let is_single = matches!(pairs.as_slice(), [(_, Some(_))]);
        let everywhere = self.all_namespaces;
        let list = pairs.into_iter().map(|(resource, name)| Target {
            namespace: (resource.namespaced && !everywhere).then(|| session.namespace.clone()),
            resource,
            name,
            manifest: None,
        });
        Ok(Targets { list: list.collect(), errors: Vec::new(), is_single })
    }

    async fn of_files(&self, session: &Session, discovery: &Discovery) -> Result<Targets, CliError> {
        let manifests = self.files.read().await?;
        let mut targets = Targets { errors: manifests.errors, ..Targets::default() };
        for manifest in manifests.found {
            match of_manifest(manifest, session, discovery) {
                Ok(target) if target.name.is_none() => {
                    let source = target.manifest.map(|manifest| manifest.source).unwrap_or_default();
                    targets.errors.push(CliError::local(format!(
                        "error when reading {source:?}: resource name may not be empty"
                    )));
                }
                Ok(target) => targets.list.push(target),
                Err(error) => targets.errors.push(error),
            }
        }
        targets.is_single = targets.list.len() == 1;
        if targets.list.is_empty() && targets.errors.is_empty() {
            return Err(CliError::local(format!("no objects passed to {}", self.command)));
        }
        Ok(targets)
    }
}

/// The target that a manifest describes, in the namespace where the command works.
pub fn of_manifest(mut manifest: Manifest, session: &Session, discovery: &Discovery) -> Result<Target, CliError> {
    let found = discovery.of_kind(object::api_version(&manifest.object), object::kind(&manifest.object));
    let Some(resource) = found.cloned() else { return Err(no_match(&manifest)) };
    let own = object::namespace(&manifest.object).to_owned();
    let namespace = if !resource.namespaced {
        None
    } else if own.is_empty() {
        let name = Value::String(session.namespace.clone());
        object::metadata_of(&mut manifest.object).insert("namespace".to_owned(), name);
        Some(session.namespace.clone())
    } else if session.namespace_given && own != session.namespace {
        return Err(CliError::local(format!(
            "the namespace from the provided object {own:?} does not match the namespace {:?}. \
             You must pass '--namespace={own}' to perform this operation.",
            session.namespace
        )));
    } else {
        Some(own)
    };
    let name = object::name(&manifest.object);
    let name = (!name.is_empty()).then(|| name.to_owned());
    Ok(Target { resource, namespace, name, manifest: Some(manifest) })
}

fn no_match(manifest: &Manifest) -> CliError {
    let object = &manifest.object;
    let (group, version) = api::names::split_api_version(object::api_version(object));
    let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    CliError::local(format!(
        "resource mapping not found for name: {:?} namespace: {:?} from {:?}: no matches for kind {:?} in version {version:?}\n\
         ensure CRDs are installed first",
        object::name(object),
        object::namespace(object),
        manifest.source,
        object::kind(object)
    ))
}

/// `TYPE[,TYPE…] [NAME…]` or `TYPE/NAME…`.
pub fn parse_words(words: &[String], discovery: &Discovery) -> Result<Vec<(Resource, Option<String>)>, CliError> {
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| parse_pair(word, discovery)).collect();
    }
    let Some((types, names)) = words.split_first() else { return Ok(Vec::new()) };
    let mut pairs = Vec::new();
    for word in types.split(',').filter(|word| !word.is_empty()) {
        for resource in discovery.find_all(word)? {
            if names.is_empty() {
                pairs.push((resource, None));
            } else {
                pairs.extend(names.iter().map(|name| (resource.clone(), Some(name.clone()))));
            }
        }
    }
    if pairs.is_empty() {
        return Err(CliError::local("arguments must consist of a resource or a resource and name"));
    }
    Ok(pairs)
}

fn parse_pair(word: &str, discovery: &Discovery) -> Result<(Resource, Option<String>), CliError> {
    let Some((kind, name)) = word.split_once('/') else {
        return Err(CliError::local(
            "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form \
             (e.g. 'skiff get resource/<resource_name>' instead of 'skiff get resource resource/<resource_name>'",
        ));
    };
    if kind.is_empty() || name.is_empty() || kind.contains(',') {
        return Err(CliError::local("arguments in resource/name form must have a single resource and name"));
    }
    if name.contains('/') {
        return Err(CliError::local("arguments in resource/name form may not have more than one slash"));
    }
    let mut resources = discovery.find_all(kind)?;
    Ok((resources.remove(0), Some(name.to_owned())))
}

/// Reads a target: the object, or the pages of a list, each as the server sends them.
/// `whole` asks for rows that carry all of their objects.
pub async fn read(
    session: &Session,
    target: &Target,
    selectors: &Selectors,
    accept: &'static str,
    whole: bool,
) -> Result<Vec<Value>, CliError> {
    let include = if whole { "Object" } else { "" };
    if target.name.is_some() {
        let call = Call::get(target.path()).accept(accept).query_unless_empty("includeObject", include);
        return match session.value(call).await {
            Ok(object) => Ok(vec![object]),
            Err(error) => Err(of_namespace(session, target, error).await),
        };
    }
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let mut call =
            selectors.on(Call::get(target.path()).accept(accept)).query_unless_empty("includeObject", include);
        if selectors.chunk_size > 0 {
            call = call.query("limit", selectors.chunk_size);
        }
        let page = session.value(call.query_unless_empty("continue", &next)).await;
        let page = page.map_err(|error| {
            let resource = &target.resource;
            let what = format!("{}/{}, Resource={}", resource.group, resource.version, resource.plural);
            error.while_listing(&what, &selectors.labels, &selectors.fields)
        })?;
        next = object::text(&page, "metadata.continue").to_owned();
        pages.push(page);
        if next.is_empty() {
            return Ok(pages);
        }
    }
}

/// Where not even the namespace is there, that is what is told.
async fn of_namespace(session: &Session, target: &Target, error: CliError) -> CliError {
    let namespace = target.namespace.as_deref().filter(|name| *name != api::well_known::DEFAULT_NAMESPACE);
    let Some(namespace) = namespace.filter(|_| error.is_not_found() && target.manifest.is_none()) else { return error };
    match session.value(Call::get(format!("/api/v1/namespaces/{}", crate::request::encode(namespace)))).await {
        Err(missing) if missing.is_not_found() => missing,
        _ => error,
    }
}

/// The objects of a target, each complete with its kind.
pub async fn objects(session: &Session, target: &Target, selectors: &Selectors) -> Result<Vec<Value>, CliError> {
    let pages = read(session, target, selectors, crate::request::JSON, false).await?;
    if target.name.is_some() {
        return Ok(pages);
    }
    let mut objects = Vec::new();
    for mut page in pages {
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            objects.extend(items.into_iter().map(|item| with_kind(item, &target.resource)));
        }
    }
    Ok(objects)
}

/// Items of a list leave their kind to the list.
fn with_kind(mut item: Value, resource: &Resource) -> Value {
    if let Some(map) = item.as_object_mut() {
        map.entry("apiVersion").or_insert_with(|| Value::String(resource.api_version()));
        map.entry("kind").or_insert_with(|| Value::String(resource.kind.clone()));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::sample;

    fn parse(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let pairs = parse_words(&words, &sample()).map_err(|error| error.report())?;
        Ok(pairs
            .into_iter()
            .map(|(resource, name)| format!("{}/{}", resource.plural, name.unwrap_or_default()))
            .collect())
    }

    #[test]
    fn types_and_names_are_told_apart() {
        assert_eq!(parse(&["po"]).unwrap(), ["pods/"]);
        assert_eq!(parse(&["pods,svc"]).unwrap(), ["pods/", "services/"]);
        assert_eq!(parse(&["pod", "a", "b"]).unwrap(), ["pods/a", "pods/b"]);
        assert_eq!(parse(&["pod,svc", "a"]).unwrap(), ["pods/a", "services/a"]);
        assert_eq!(parse(&["pod/a", "deploy.apps/b"]).unwrap(), ["pods/a", "deployments/b"]);
        assert_eq!(parse(&["all"]).unwrap(), ["pods/", "services/", "deployments/"]);
    }

    #[test]
    fn mixed_forms_are_refused() {
        assert!(parse(&["pod", "svc/a"]).unwrap_err().contains("there is no need to specify a resource type"));
        assert!(parse(&["pod/"]).unwrap_err().contains("must have a single resource and name"));
        assert!(parse(&["pod/a/b"]).unwrap_err().contains("more than one slash"));
        assert!(parse(&["nothing/a"]).unwrap_err().contains("doesn't have a resource type"));
    }
}

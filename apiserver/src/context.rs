//! Who asks for a write, and how it is to be carried out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Somebody whose identity has been established.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|member_of| member_of == group)
    }
}

/// What happens to fields that a kind does not have, and to those that stand twice (`fieldValidation=`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The circumstances of one write.
#[derive(Debug, Clone, Default)]
pub struct Context {
    pub user: Arc<User>,
    /// `dryRun=All`: everything is done except the storing.
    pub dry_run: bool,
    pub field_validation: FieldValidation,
    /// What the reader of a body in YAML complained about, to be told before what is found in the object.
    pub complaint: Option<String>,
    /// `fieldManager=`, or the first word of the User-Agent.
    pub field_manager: String,
    /// `force=true` of a configuration that is applied: what others manage is taken from them.
    pub force: bool,
    pub warnings: Warnings,
}

impl Context {
    pub fn new(user: Arc<User>) -> Self {
        Self { user, ..Self::default() }
    }

    /// Of what the server writes on its own behalf.
    pub fn of_server() -> Self {
        Self { field_manager: "kube-apiserver".to_owned(), ..Self::default() }
    }
}

/// Sentences for the `Warning` headers of the answer. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Adds a sentence unless it is there already.
    pub fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !list.contains(&text) {
            list.push(text);
        }
    }

    /// All sentences so far, which are taken off the list.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

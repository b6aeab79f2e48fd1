//! Flags that several commands share, and what those flags mean.

use serde_json::Value;

use crate::error::CliError;
use crate::object;
use crate::output::Format;
use crate::request::Call;
use crate::session::Session;

// (No doc comments on these structs: they would be shown as help.)
#[derive(clap::Args, Debug, Clone)]
pub struct Output {
    /// wide, yaml, json, name, jsonpath=TEMPLATE or custom-columns=SPEC
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "", hide_default_value = true)]
    pub format: Format,
    /// With yaml and json: metadata.managedFields too
    #[arg(long, hide_short_help = true)]
    pub show_managed_fields: bool,
}

/// Whether something is to happen, or only to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DryRun {
    None,
    /// Show what would be sent.
    Client,
    /// Send it, but have the server store nothing.
    Server,
}

impl DryRun {
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }

    pub fn on(self, call: Call) -> Call {
        if self == Self::Server { call.query("dryRun", "All") } else { call }
    }
}

#[derive(clap::Args, Debug, Clone)]
pub struct Trial {
    /// Try it: on this side (client), or on the server without storing anything
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true,
          default_value = "none", default_missing_value = "client", hide_default_value = true)]
    pub dry_run: DryRun,
}

/// How strictly the server looks for fields that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    Strict,
    Warn,
    Ignore,
}

impl std::str::FromStr for Validation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "strict" | "true" => Ok(Self::Strict),
            "warn" => Ok(Self::Warn),
            "ignore" | "false" => Ok(Self::Ignore),
            other => Err(format!("invalid validation {other:?}, use strict, warn or ignore")),
        }
    }
}

impl Validation {
    pub fn on(self, call: Call) -> Call {
        call.query(
            "fieldValidation",
            match self {
                Self::Strict => "Strict",
                Self::Warn => "Warn",
                Self::Ignore => "Ignore",
            },
        )
    }
}

impl Output {
    /// Tells of one object that was changed: in a sentence, by its name, or by showing it.
    pub fn tell(
        &self,
        session: &Session,
        object: Value,
        done: &str,
        dry_run: DryRun,
        is_first: bool,
    ) -> Result<(), CliError> {
        match &self.format {
            Format::Human => session.screen.line(&format!("{} {done}{}", object::spoken(&object), dry_run.suffix())),
            format => format.print(&session.screen, &self.cleaned(object), is_first),
        }
    }

    pub fn cleaned(&self, mut object: Value) -> Value {
        if !self.show_managed_fields {
            object::remove_managed_fields(&mut object);
        }
        object
    }
}

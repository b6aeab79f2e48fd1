//! `skiff annotate`: set and remove annotations.

use crate::commands::command::Command;
use crate::commands::label::{Change, Words};
use crate::connection::Connection;
use crate::error::CliError;

const EXAMPLES: &str = "\
Examples:
  skiff annotate pod x note='from the shop'   set an annotation
  skiff annotate pod x note-                  remove it";

/// Set and remove annotations
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Annotate {
    #[command(flatten)]
    change: Change,
}

const ANNOTATIONS: Words = Words {
    command: "annotate",
    field: "annotations",
    set: "annotated",
    removed: "annotated",
    unchanged: "annotated",
    refused: |known| {
        format!("--overwrite is false but found the following declared annotation(s): {}", known.join("; "))
    },
};

impl Command for Annotate {
    const NAME: &'static str = "annotate";

    fn run(self, before: Connection) -> Result<(), CliError> {
        self.change.run(&ANNOTATIONS, before)
    }
}

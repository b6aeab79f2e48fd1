//! `skiff completion`: a script that lets the shell complete our commands and flags.

use clap_complete::Shell;

use crate::commands::command::Command;
use crate::connection::Connection;
use crate::error::CliError;

const EXAMPLES: &str = "\
Examples:
  source <(skiff completion bash)
  skiff completion zsh > \"${fpath[1]}/_skiff\"
  skiff completion fish | source";

/// Print a script for the shell that completes commands and flags
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Command for Completion {
    const NAME: &'static str = "completion";

    fn run(self, _before: Connection) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command_line(), "skiff", &mut script);
        let screen = crate::screen::Screen::standard();
        screen.write(&script)?;
        screen.flush()
    }
}

//! What a command is, and how one that talks to a cluster is run.

use clap::{ArgMatches, Parser};

use crate::connection::Connection;
use crate::error::CliError;
use crate::screen::Screen;
use crate::session::Session;

/// A command: its arguments, and what it does. Help and examples stand in its `#[command]` attribute.
pub trait Command: Parser {
    const NAME: &'static str;

    /// `before` holds the cluster flags that stood before the command's name.
    fn run(self, before: Connection) -> Result<(), CliError>;
}

/// A line of the list of commands.
pub struct Entry {
    pub name: &'static str,
    pub describe: fn() -> clap::Command,
    pub run: fn(&ArgMatches, Connection) -> Result<(), CliError>,
}

pub const fn entry<C: Command>() -> Entry {
    Entry {
        name: C::NAME,
        describe: || C::command().name(C::NAME),
        run: |matches, before| {
            let command = C::from_arg_matches(matches).map_err(|error| CliError::local(error.to_string()))?;
            command.run(before)
        },
    }
}

/// Runs a command that needs no more than one thread, on a session with the cluster.
pub fn with_session<F>(connection: Connection, work: F) -> Result<(), CliError>
where
    F: AsyncFnOnce(&Session) -> Result<(), CliError>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let session = connection.session(Screen::standard()).await?;
        let done = work(&session).await;
        // What was printed before an error is seen before it.
        session.screen.flush()?;
        done
    });
    // Nothing that is still under way matters any more.
    runtime.shutdown_background();
    done
}

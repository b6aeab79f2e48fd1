//! `skiff version`: of this program, and of the server.

use serde_json::{Value, json};

use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::error::CliError;
use crate::object;
use crate::output::{json, yaml};
use crate::request::Call;
use crate::screen::Screen;
use crate::session::Session;

/// Show the version of this program and of the server
#[derive(clap::Parser, Debug)]
pub struct Version {
    /// Only that of this program; no server is asked
    #[arg(long)]
    client: bool,
    /// yaml or json
    #[arg(short, long, value_name = "FORMAT", value_parser = ["", "yaml", "json"], default_value = "", hide_default_value = true, hide_possible_values = true)]
    output: String,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Version {
    const NAME: &'static str = "version";

    fn run(self, before: Connection) -> Result<(), CliError> {
        if self.client {
            let screen = Screen::standard();
            self.print(&screen, None)?;
            return screen.flush();
        }
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl Version {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        // Without a server, our own version is still worth telling.
        let (server, error) = match session.value(Call::get("/version")).await {
            Ok(server) => (Some(server), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.print(&session.screen, server.as_ref())?;
        error
    }

    fn print(&self, screen: &Screen, server: Option<&Value>) -> Result<(), CliError> {
        let client = client_version();
        if self.output.is_empty() {
            screen.line(&format!("Client Version: {}", object::text(&client, "gitVersion")))?;
            if let Some(server) = server {
                screen.line(&format!("Server Version: {}", object::text(server, "gitVersion")))?;
            }
            return Ok(());
        }
        let mut both = json!({ "clientVersion": client });
        if let Some(server) = server {
            both["serverVersion"] = server.clone();
        }
        if self.output == "yaml" { screen.print(&yaml::document(&both)) } else { screen.line(&json::pretty(&both)) }
    }
}

fn client_version() -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "major": env!("CARGO_PKG_VERSION_MAJOR"),
        "minor": env!("CARGO_PKG_VERSION_MINOR"),
        "gitVersion": concat!("v", env!("CARGO_PKG_VERSION")),
        "platform": format!("{}/{architecture}", std::env::consts::OS),
    })
}

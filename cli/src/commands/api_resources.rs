//! `skiff api-resources`: the types that the server knows.

use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::{Discovery, Resource};
use crate::error::CliError;
use crate::output::columns;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  skiff api-resources -o wide                with verbs and categories
  skiff api-resources --namespaced=false     those that belong to no namespace
  skiff api-resources --api-group=apps --verbs=list,get";

/// Show the types that the server knows
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ApiResources {
    /// wide or name
    #[arg(short, long, value_name = "FORMAT", value_parser = ["", "wide", "name"], default_value = "", hide_default_value = true, hide_possible_values = true)]
    output: String,
    /// Only those that belong to a namespace, or only those that do not
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    namespaced: Option<bool>,
    /// Only those with all of these verbs
    #[arg(long, value_name = "VERB", value_delimiter = ',')]
    verbs: Vec<String>,
    /// Only those of all of these categories
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    categories: Vec<String>,
    /// Only those of this group; '' is the core group
    #[arg(long, value_name = "GROUP")]
    api_group: Option<String>,
    /// Sort by name or kind
    #[arg(long, value_name = "FIELD", value_parser = ["name", "kind"])]
    sort_by: Option<String>,
    /// Leave the headers out
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Command for ApiResources {
    const NAME: &'static str = "api-resources";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl ApiResources {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        session.screen.print(&self.print(&Discovery::read(session).await?))
    }

    fn print(&self, discovery: &Discovery) -> String {
        let mut shown: Vec<&Resource> = Vec::new();
        for resource in &discovery.resources {
            // Each in the version that the server prefers, which comes first.
            let is_new = !shown.iter().any(|one| one.group == resource.group && one.plural == resource.plural);
            if is_new && self.wants(resource) {
                shown.push(resource);
            }
        }
        match self.sort_by.as_deref() {
            Some("name") => shown.sort_by_key(|one| one.plural.as_str()),
            Some(_) => shown.sort_by_key(|one| one.kind.as_str()),
            None => shown.sort_by_key(|one| (one.group.as_str(), one.plural.as_str())),
        }
        let mut text = String::new();
        if self.output == "name" {
            return shown.iter().fold(text, |text, resource| text + &resource.full_name() + "\n");
        }
        let wide = self.output == "wide";
        if !self.no_headers {
            text += "NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND";
            text += if wide { "\tVERBS\tCATEGORIES\n" } else { "\n" };
        }
        for one in shown {
            let short = one.short_names.join(",");
            text += &format!("{}\t{short}\t{}\t{}\t{}", one.plural, one.api_version(), one.namespaced, one.kind);
            if wide {
                text += &format!("\t{}\t{}", one.verbs.join(","), one.categories.join(","));
            }
            text.push('\n');
        }
        columns::align(&text, 6, 3)
    }

    fn wants(&self, resource: &Resource) -> bool {
        !resource.verbs.is_empty()
            && self.namespaced.is_none_or(|namespaced| namespaced == resource.namespaced)
            && self.api_group.as_ref().is_none_or(|group| *group == resource.group)
            && self.verbs.iter().all(|verb| resource.has_verb(verb))
            && self.categories.iter().all(|category| resource.categories.contains(category))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::discovery::tests::sample;

    fn print(flags: &[&str]) -> String {
        ApiResources::parse_from(std::iter::once(&"api-resources").chain(flags)).print(&sample())
    }

    #[test]
    fn types_stand_in_columns() {
        let expected = "\
NAME         SHORTNAMES   APIVERSION   NAMESPACED   KIND
namespaces   ns           v1           false        Namespace
nodes        no           v1           false        Node
";
        assert_eq!(print(&["--namespaced=false"]), expected);
        assert_eq!(print(&["--api-group=apps", "-o", "name"]), "deployments.apps\n");
        assert!(print(&["-o", "wide", "--no-headers"]).contains("get,list,watch,create,delete   all\n"));
    }
}

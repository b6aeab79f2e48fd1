//! `skiff describe`: objects at length, each with what belongs to it.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::Value;

use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::Discovery;
use crate::error::CliError;
use crate::manifests::Files;
use crate::object;
use crate::output::describe::{self, Need, Related};
use crate::request::Call;
use crate::session::Session;
use crate::targets::{self, Asked, Selectors, Target};

const EXAMPLES: &str = "\
Examples:
  skiff describe service my-service       one service, its endpoints and events
  skiff describe pod my-app-              all pods whose names begin so
  skiff describe nodes                    all nodes
  skiff describe -f examples/web.yaml     what the file describes";

/// Show details of one or many objects
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Describe {
    /// TYPE[,TYPE…] [NAME or its beginning…], or TYPE/NAME…
    #[arg(value_name = "TYPE")]
    words: Vec<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    selectors: Selectors,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Whether events are shown
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, hide_default_value = true, hide_short_help = true)]
    show_events: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Describe {
    const NAME: &'static str = "describe";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

/// The objects that a target means, and whether it named only the beginning of their names.
struct Found {
    objects: Vec<Value>,
    by_beginning: bool,
}

impl Describe {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        if self.words.is_empty() && self.files.is_empty() {
            let message = "You must specify the type of resource to describe. Use \"skiff api-resources\" for a complete list of \
                           supported resources.";
            return Err(CliError::local(message));
        }
        let discovery = Discovery::read(session).await?;
        let asked = Asked {
            command: "describe",
            words: &self.words,
            files: &self.files,
            selectors: &self.selectors,
            all_namespaces: self.all_namespaces,
        };
        let targets = asked.resolve(session, &discovery).await?;
        let mut errors = targets.errors;
        let mut described = 0;
        for target in &targets.list {
            match self.find(session, target).await {
                Ok(Found { objects, by_beginning }) => {
                    for object in objects {
                        let text = self.describe(session, &object).await;
                        session.screen.print(if described > 0 && !by_beginning { "\n\n" } else { "" })?;
                        session.screen.print(&text)?;
                        session.screen.print(if by_beginning { "\n" } else { "" })?;
                        described += 1;
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if described == 0 && errors.is_empty() {
            let in_one = !self.all_namespaces && targets.list.iter().all(|target| target.resource.namespaced);
            let place = if in_one { format!(" in {} namespace.", session.namespace) } else { String::new() };
            session.screen.complain(&format!("No resources found{place}"));
        }
        CliError::gather(errors)
    }

    /// The objects of a target. A name that nothing has may be the beginning of several.
    async fn find(&self, session: &Session, target: &Target) -> Result<Found, CliError> {
        let failure = match targets::objects(session, target, &self.selectors).await {
            Err(error) if error.is_not_found() && target.name.is_some() && target.manifest.is_none() => error,
            Err(error) => return Err(error),
            Ok(objects) => return Ok(Found { objects, by_beginning: false }),
        };
        let beginning = target.name.clone().unwrap_or_default();
        let all = Target { name: None, ..target.clone() };
        let mut objects = targets::objects(session, &all, &self.selectors).await?;
        objects.retain(|object| object::name(object).starts_with(&beginning));
        if objects.is_empty() { Err(failure) } else { Ok(Found { objects, by_beginning: true }) }
    }

    async fn describe(&self, session: &Session, object: &Value) -> String {
        let mut needs = (describe::describer_of(object).needs)(object);
        needs.retain(|need| self.show_events || !need.name.starts_with("events"));
        let answers = join_all(needs.iter().map(|need| read(session, need))).await;
        let answers: BTreeMap<_, _> = needs.iter().map(|need| need.name).zip(answers).collect();
        describe::describe(object, &Related { answers, now: session.clock.now() })
    }
}

/// All pages of what a description needs.
async fn read(session: &Session, need: &Need) -> Result<Value, String> {
    let mut whole: Option<Value> = None;
    let mut next = String::new();
    loop {
        let call = Call::get(&need.path)
            .query_unless_empty("labelSelector", &need.label_selector)
            .query_unless_empty("fieldSelector", &need.field_selector)
            .query_unless_empty("continue", &next)
            .query("limit", 500);
        let mut page = session.value(call).await.map_err(|error| error.status_message())?;
        object::text(&page, "metadata.continue").clone_into(&mut next);
        whole = Some(match whole {
            None => page,
            Some(mut whole) => {
                let more = page["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
                if let Some(items) = whole["items"].as_array_mut() {
                    items.extend(more);
                }
                whole
            }
        });
        if next.is_empty() {
            return Ok(whole.unwrap_or_default());
        }
    }
}

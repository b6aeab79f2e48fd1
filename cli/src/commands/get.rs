//! `skiff get`: rows about objects, or the objects themselves.

use serde_json::Value;

use crate::commands::arguments::Output;
use crate::commands::command::{Command, with_session};
use crate::connection::Connection;
use crate::discovery::{Discovery, Resource};
use crate::error::CliError;
use crate::manifests::Files;
use crate::object;
use crate::output::{self, Format, jsonpath, table};
use crate::request::{Call, JSON, TABLE};
use crate::session::Session;
use crate::targets::{self, Asked, Selectors, Target, Targets};

const EXAMPLES: &str = "\
Examples:
  skiff get pods                                  pods of the namespace
  skiff get pods,services -A -o wide              pods and services of all namespaces
  skiff get deployment/my-app svc/my-service      by name
  skiff get pods -l app=my-app -w                 watch those with a label
  skiff get all                                   what makes up an application
  skiff get node -o jsonpath='{.items[*].metadata.name}'";

/// Show one or many objects
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Get {
    /// TYPE[,TYPE…] [NAME…], or TYPE/NAME…
    #[arg(value_name = "TYPE")]
    words: Vec<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    selectors: Selectors,
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// After listing, follow the changes
    #[arg(short, long)]
    watch: bool,
    /// Follow the changes without listing first
    #[arg(long)]
    watch_only: bool,
    /// With a watch: what happened to each object
    #[arg(long)]
    output_watch_events: bool,
    /// Leave the headers out
    #[arg(long)]
    no_headers: bool,
    /// All labels in a column
    #[arg(long)]
    show_labels: bool,
    /// Labels with a column of their own
    #[arg(short = 'L', long, value_name = "LABEL", value_delimiter = ',')]
    label_columns: Vec<String>,
    /// The kind before each name
    #[arg(long)]
    show_kind: bool,
    /// Sort by what a JSONPath leads to: '{.metadata.creationTimestamp}'
    #[arg(long, value_name = "PATH", value_parser = jsonpath::Template::parse_relaxed)]
    sort_by: Option<jsonpath::Template>,
    /// What is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Read a path of the server as it is: /healthz, /metrics
    #[arg(long, value_name = "PATH")]
    raw: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Get {
    const NAME: &'static str = "get";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

impl Get {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        if let Some(path) = &self.raw {
            return session.screen.write(&session.bytes(Call::get(path)).await?);
        }
        if self.words.is_empty() && self.files.is_empty() {
            session.screen.complain(
                "You must specify the type of resource to get. Use \"skiff api-resources\" for a complete list of supported \
                 resources.\n",
            );
            return Err(CliError::usage("get", "Required resource not specified."));
        }
        let discovery = Discovery::read(session).await?;
        let asked = Asked {
            command: "get",
            words: &self.words,
            files: &self.files,
            selectors: &self.selectors,
            all_namespaces: self.all_namespaces,
        };
        let targets = asked.resolve(session, &discovery).await?;
        if self.watch || self.watch_only {
            return self.follow(session, targets).await;
        }
        if self.output.format.is_table() {
            self.print_tables(session, targets).await
        } else {
            self.print_objects(session, targets).await
        }
    }

    fn table_options(&self, resource: &Resource, with_kind: bool) -> table::Options {
        table::Options {
            wide: matches!(self.output.format, Format::Wide),
            no_headers: self.no_headers,
            with_namespace: self.all_namespaces && resource.namespaced,
            show_labels: self.show_labels,
            label_columns: self.label_columns.clone(),
            kind: (with_kind || self.show_kind).then(|| resource.spoken_kind()),
            with_event: self.output_watch_events,
        }
    }

    async fn print_tables(&self, session: &Session, targets: Targets) -> Result<(), CliError> {
        let Targets { list, mut errors, .. } = targets;
        let all_namespaced = !self.all_namespaces && list.iter().all(|target| target.resource.namespaced);
        let mut found: Vec<(&Resource, Vec<Value>)> = Vec::new();
        for target in &list {
            match self.read(session, target).await {
                Ok(tables) => found.push((&target.resource, tables)),
                Err(error) if self.ignore_not_found && error.is_not_found() => {}
                Err(error) => errors.push(error),
            }
        }
        let with_kind = found.iter().any(|(resource, _)| *resource != found[0].0);
        let mut printer = table::Printer::default();
        let mut last: Option<&Resource> = None;
        let mut printed = false;
        for (resource, tables) in &found {
            if last != Some(resource) {
                printed |= self.print_block(session, &mut printer, printed)?;
                printer = table::Printer::new(self.table_options(resource, with_kind));
                last = Some(resource);
            }
            for table in tables {
                printer.add(table, "ADDED", session.clock.now());
            }
        }
        printed |= self.print_block(session, &mut printer, printed)?;
        if !printed && errors.is_empty() && !self.ignore_not_found {
            let place = if all_namespaced { format!(" in {} namespace.", session.namespace) } else { String::new() };
            session.screen.complain(&format!("No resources found{place}"));
        }
        CliError::gather(errors)
    }

    /// Prints the rows of one type, with an empty line before them if others were printed before.
    fn print_block(&self, session: &Session, printer: &mut table::Printer, printed: bool) -> Result<bool, CliError> {
        let text = printer.take();
        if text.is_empty() {
            return Ok(false);
        }
        if printed && !self.no_headers {
            session.screen.print("\n")?;
        }
        session.screen.print(&text)?;
        Ok(true)
    }

    async fn read(&self, session: &Session, target: &Target) -> Result<Vec<Value>, CliError> {
        let mut tables = targets::read(session, target, &self.selectors, TABLE, self.sort_by.is_some()).await?;
        if let Some(path) = &self.sort_by {
            sort_rows(&mut tables, path);
        }
        Ok(tables)
    }

    async fn print_objects(&self, session: &Session, targets: Targets) -> Result<(), CliError> {
        let Targets { list, mut errors, is_single } = targets;
        let mut objects = Vec::new();
        for target in &list {
            match targets::objects(session, target, &self.selectors).await {
                Ok(found) => objects.extend(found),
                Err(error) if self.ignore_not_found && error.is_not_found() => {}
                Err(error) => errors.push(error),
            }
        }
        if let Some(path) = &self.sort_by {
            objects.sort_by(|a, b| compare(path, a, b));
        }
        let shown = if !is_single { Some(output::list_of(objects)) } else { objects.pop() };
        // A single object that is not there leaves nothing to print, a list is printed even if it is empty.
        if let Some(object) = shown.filter(|_| errors.is_empty() || !is_single) {
            self.output.format.print(&session.screen, &self.output.cleaned(object), !self.no_headers)?;
        }
        CliError::gather(errors)
    }

    /// Lists, then prints each change as it happens, until the server ends the watch or the user does.
    async fn follow(&self, session: &Session, targets: Targets) -> Result<(), CliError> {
        CliError::gather(targets.errors)?;
        let [target] = targets.list.as_slice() else {
            return Err(CliError::local("you may only specify a single resource type"));
        };
        let is_table = self.output.format.is_table();
        let accept = if is_table { TABLE } else { JSON };
        let mut shown = Shown {
            get: self,
            session,
            printer: table::Printer::new(self.table_options(&target.resource, false)),
            is_first: true,
        };
        let mut revision = String::new();
        for page in targets::read(session, target, &self.selectors, accept, false).await? {
            object::resource_version(&page).clone_into(&mut revision);
            if !self.watch_only {
                shown.list(&page)?;
            }
        }
        let mut call =
            Call::get(target.resource.collection(target.namespace.as_deref())).accept(accept).query("watch", "true");
        // A watch of one object starts now, and begins by repeating it.
        let mut skip_first = false;
        call = match &target.name {
            None => self.selectors.on(call).query("resourceVersion", revision),
            Some(name) => {
                skip_first = true;
                call.query("fieldSelector", format!("metadata.name={name}")).query("resourceVersion", "0")
            }
        };
        let mut lines = session.lines(call).await?;
        while let Some(line) = lines.next().await? {
            let Some((event, object)) = watch_event(&line)? else { continue };
            if !std::mem::take(&mut skip_first) {
                shown.event(&event, object)?;
            }
        }
        Ok(())
    }
}

/// What a watch has printed so far.
struct Shown<'a> {
    get: &'a Get,
    session: &'a Session,
    printer: table::Printer,
    is_first: bool,
}

impl Shown<'_> {
    fn list(&mut self, page: &Value) -> Result<(), CliError> {
        if self.get.output.format.is_table() {
            self.printer.add(page, "ADDED", self.session.clock.now());
            self.session.screen.print(&self.printer.take())?;
            return self.session.screen.flush();
        }
        if !object::is_list(page) {
            return self.event("ADDED", page.clone());
        }
        let (api_version, kind) = (object::api_version(page), object::kind(page).trim_end_matches("List"));
        for item in object::items(page, "items") {
            let mut item = item.clone();
            item["apiVersion"] = api_version.into();
            item["kind"] = kind.into();
            self.event("ADDED", item)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &str, object: Value) -> Result<(), CliError> {
        let screen = &self.session.screen;
        if self.get.output.format.is_table() {
            self.printer.add(&object, event, self.session.clock.now());
            screen.print(&self.printer.take())?;
        } else {
            let mut object = self.get.output.cleaned(object);
            if self.get.output_watch_events {
                object = serde_json::json!({"object": object, "type": event});
            }
            self.get.output.format.print(screen, &object, self.is_first)?;
        }
        self.is_first = false;
        screen.flush()
    }
}

/// What happened to which object; none for a bookmark. A failure ends the watch.
pub fn watch_event(line: &[u8]) -> Result<Option<(String, Value)>, CliError> {
    let mut event: Value = serde_json::from_slice(line)
        .map_err(|error| CliError::local(format!("the server sent a watch event that cannot be read: {error}")))?;
    let object = event["object"].take();
    match object::text(&event, "type") {
        "BOOKMARK" => Ok(None),
        "ERROR" => {
            let status = serde_json::from_value(object).unwrap_or_default();
            Err(CliError::Server(Box::new(status)))
        }
        what => Ok(Some((what.to_owned(), object))),
    }
}

fn sort_rows(tables: &mut Vec<Value>, path: &jsonpath::Template) {
    let mut rows: Vec<Value> = Vec::new();
    for table in tables.iter_mut() {
        if let Some(Value::Array(own)) = table.get_mut("rows").map(Value::take) {
            rows.extend(own);
        }
    }
    rows.sort_by(|a, b| compare(path, &a["object"], &b["object"]));
    tables.truncate(1);
    if let Some(table) = tables.first_mut() {
        table["rows"] = Value::Array(rows);
    }
}

/// Numbers by their value, texts by their letters; what is missing comes first.
fn compare(path: &jsonpath::Template, a: &Value, b: &Value) -> std::cmp::Ordering {
    let (a, b) = (path.find(a), path.find(b));
    match (a.first(), b.first()) {
        (Some(a), Some(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => jsonpath::text_of(a).cmp(&jsonpath::text_of(b)),
        },
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

//! `skiff logs`: what the containers of pods have written.

use std::time::Duration;

use futures::future::try_join_all;
use serde_json::Value;

use crate::commands::command::{Command, with_session};
use crate::commands::get::watch_event;
use crate::connection::{Connection, parse_duration};
use crate::discovery::{Discovery, Resource};
use crate::error::CliError;
use crate::object;
use crate::output::describe::page::selector_text;
use crate::output::table::label_text;
use crate::request::Call;
use crate::session::Session;
use crate::targets::{Selectors, Target, parse_words};

const EXAMPLES: &str = "\
Examples:
  skiff logs my-pod                            the log of a pod with one container
  skiff logs my-pod -c web --previous          of the container's run before this one
  skiff logs -f deployment/my-app              follow one of the deployment's pods
  skiff logs -l app=my-app --all-containers --prefix --tail=20";

/// Print the logs of containers
#[derive(clap::Parser, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Logs {
    /// POD, or TYPE/NAME
    #[arg(value_name = "POD")]
    words: Vec<String>,
    /// Go on with what is being written
    #[arg(short, long)]
    follow: bool,
    /// Container of the pod
    #[arg(short, long, value_name = "NAME", default_value = "", hide_default_value = true)]
    container: String,
    /// All containers of the pod
    #[arg(long)]
    all_containers: bool,
    /// All pods of the workload, with --prefix
    #[arg(long)]
    all_pods: bool,
    /// Pods with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    selector: String,
    /// Of the container's run before this one
    #[arg(short, long)]
    previous: bool,
    /// Pod and container before each line
    #[arg(long)]
    prefix: bool,
    /// When each line was written
    #[arg(long)]
    timestamps: bool,
    /// Only so many lines from the end; -1 for all. With -l, 10 unless said otherwise
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    tail: Option<i64>,
    /// Only what is younger than this: 5s, 2m, 3h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "since_time")]
    since: Option<Duration>,
    /// Only what was written after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since_time: Option<String>,
    /// Stop after so many bytes
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<u64>,
    /// Go on with the next when one fails
    #[arg(long)]
    ignore_errors: bool,
    /// How many logs may be followed at once
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    max_log_requests: usize,
    /// How long to wait for a pod of the workload
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "20s", hide_short_help = true)]
    pod_running_timeout: Duration,
    #[command(flatten)]
    connection: Connection,
}

impl Command for Logs {
    const NAME: &'static str = "logs";

    fn run(self, before: Connection) -> Result<(), CliError> {
        let connection = self.connection.clone().or(before);
        with_session(connection, async |session| self.execute(session).await)
    }
}

/// The log of one container.
struct Source {
    path: String,
    container: String,
    /// `[pod/x/web] `, or nothing.
    prefix: String,
}

impl Logs {
    pub async fn execute(&self, session: &Session) -> Result<(), CliError> {
        if self.words.is_empty() == self.selector.is_empty() {
            let message = if self.words.is_empty() {
                "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command"
            } else {
                "only a selector (-l) or a POD name is allowed"
            };
            return Err(CliError::usage("logs", message));
        }
        let pods = self.pods(session).await?;
        let mut sources = Vec::new();
        for pod in &pods {
            sources.extend(self.sources(session, pod)?);
        }
        if !self.follow {
            for source in &sources {
                self.print_or_ignore(session, source).await?;
            }
            return Ok(());
        }
        if sources.len() > self.max_log_requests {
            return Err(CliError::local(format!(
                "you are attempting to follow {} log streams, but maximum allowed concurrency is {}, \
                 use --max-log-requests to increase the limit",
                sources.len(),
                self.max_log_requests
            )));
        }
        try_join_all(sources.iter().map(|source| self.print_or_ignore(session, source))).await.map(drop)
    }

    async fn print_or_ignore(&self, session: &Session, source: &Source) -> Result<(), CliError> {
        match self.print(session, source).await {
            Err(error) if self.ignore_errors && !matches!(error, CliError::Output(_)) => {
                session.screen.complain(&error.report());
                Ok(())
            }
            done => done,
        }
    }

    async fn pods(&self, session: &Session) -> Result<Vec<Value>, CliError> {
        if !self.selector.is_empty() {
            let list = session.value(pods_call(session, &self.selector)).await?;
            let pods = object::items(&list, "items").to_vec();
            if pods.is_empty() {
                session.screen.complain(&format!("No resources found in {} namespace.", session.namespace));
            }
            return Ok(pods);
        }
        let target = self.target(session).await?;
        let object = match session.value(Call::get(target.path())).await {
            Err(error) if error.is_not_found() => {
                let text = error.status_message();
                let message = format!("error from server (NotFound): {text} in namespace {:?}", session.namespace);
                return Err(CliError::Local(message));
            }
            other => other?,
        };
        if target.resource.plural == "pods" {
            return Ok(vec![object]);
        }
        let mut pods = self.pods_of(session, &object).await?;
        if self.all_pods {
            return Ok(pods);
        }
        pods.sort_by_key(log_order);
        if pods.len() > 1 {
            session.screen.complain(&format!("Found {} pods, using pod/{}", pods.len(), object::name(&pods[0])));
        }
        pods.truncate(1);
        Ok(pods)
    }

    /// A bare word is a pod; the container may stand behind it.
    async fn target(&self, session: &Session) -> Result<Target, CliError> {
        if self.words.len() > 2 || (self.words.len() == 2 && !self.container.is_empty()) {
            return Err(CliError::usage("logs", "only one pod, and one container of it, may be named"));
        }
        let is_pair = self.words[0].contains('/');
        let (resource, name) = if is_pair {
            let discovery = Discovery::read(session).await?;
            let mut pairs = parse_words(&self.words[..1], &discovery)?;
            pairs.remove(0)
        } else {
            (pods_resource(), Some(self.words[0].clone()))
        };
        let namespace = resource.namespaced.then(|| session.namespace.clone());
        Ok(Target { resource, namespace, name, manifest: None })
    }

    /// The pods that a workload or a Service selects; if there are none yet, the first one to come.
    async fn pods_of(&self, session: &Session, object: &Value) -> Result<Vec<Value>, CliError> {
        let selector = &object["spec"]["selector"];
        let selector = match object::kind(object) {
            "Service" | "ReplicationController" => label_text(selector),
            _ if selector.is_object() => selector_text(selector),
            kind => return Err(CliError::local(format!("cannot get the logs from {kind}: it selects no pods"))),
        };
        let list = session.value(pods_call(session, &selector)).await?;
        let pods = object::items(&list, "items").to_vec();
        if !pods.is_empty() {
            return Ok(pods);
        }
        let call = pods_call(session, &selector).query("watch", "true");
        let first = async {
            let mut lines = session.lines(call.query("resourceVersion", object::resource_version(&list))).await?;
            while let Some(line) = lines.next().await? {
                if let Some((event, pod)) = watch_event(&line)?
                    && event != "DELETED"
                {
                    return Ok(vec![pod]);
                }
            }
            Err(CliError::local("timed out waiting for the condition"))
        };
        match tokio::time::timeout(self.pod_running_timeout, first).await {
            Ok(pods) => pods,
            Err(_) => Err(CliError::local("timed out waiting for the condition")),
        }
    }

    /// Which containers of a pod are meant.
    fn sources(&self, session: &Session, pod: &Value) -> Result<Vec<Source>, CliError> {
        let known = containers(pod);
        let name = object::name(pod);
        let named = if self.container.is_empty() {
            self.words.get(1).map(String::as_str).unwrap_or_default()
        } else {
            &self.container
        };
        let chosen: Vec<&str> = if self.all_containers {
            known.clone()
        } else if !named.is_empty() {
            if !known.contains(&named) {
                return Err(CliError::local(format!("container {named} is not valid for pod {name}")));
            }
            vec![named]
        } else {
            vec![default_container(session, pod, &known)]
        };
        let source = |container: &str| Source {
            path: format!("{}/log", pods_resource().path(Some(object::namespace(pod)), name)),
            container: container.to_owned(),
            prefix: if self.prefix || self.all_pods { format!("[pod/{name}/{container}] ") } else { String::new() },
        };
        Ok(chosen.into_iter().map(source).collect())
    }

    async fn print(&self, session: &Session, source: &Source) -> Result<(), CliError> {
        let mut lines = session.lines(self.call(source)).await?;
        if source.prefix.is_empty() {
            while let Some(chunk) = lines.chunk().await? {
                session.screen.write(&chunk)?;
                if self.follow {
                    session.screen.flush()?;
                }
            }
            return Ok(());
        }
        while let Some(line) = lines.next().await? {
            session.screen.print(&source.prefix)?;
            session.screen.write(&line)?;
            session.screen.print("\n")?;
            if self.follow {
                session.screen.flush()?;
            }
        }
        Ok(())
    }

    fn call(&self, source: &Source) -> Call {
        let mut call = Call::get(&source.path).accept("*/*").query("container", &source.container);
        for (name, is_set) in [("follow", self.follow), ("previous", self.previous), ("timestamps", self.timestamps)] {
            if is_set {
                call = call.query(name, "true");
            }
        }
        let tail = self.tail.or((!self.selector.is_empty()).then_some(10));
        if let Some(tail) = tail.filter(|tail| *tail >= 0) {
            call = call.query("tailLines", tail);
        }
        if let Some(since) = self.since.filter(|since| !since.is_zero()) {
            call = call.query("sinceSeconds", since.as_secs().max(1));
        }
        if let Some(time) = &self.since_time {
            call = call.query("sinceTime", time);
        }
        if let Some(bytes) = self.limit_bytes {
            call = call.query("limitBytes", bytes);
        }
        call
    }
}

/// Pods are known without asking the server.
fn pods_resource() -> Resource {
    Resource {
        version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        plural: "pods".to_owned(),
        namespaced: true,
        ..Resource::default()
    }
}

fn pods_call(session: &Session, selector: &str) -> Call {
    let selectors = Selectors { labels: selector.to_owned(), ..Selectors::default() };
    selectors.on(Call::get(pods_resource().collection(Some(&session.namespace))))
}

/// All containers, those that run first before the others.
fn containers(pod: &Value) -> Vec<&str> {
    let kinds = ["spec.initContainers", "spec.containers", "spec.ephemeralContainers"];
    kinds.iter().flat_map(|kind| object::items(pod, kind)).map(|container| object::text(container, "name")).collect()
}

/// The one that an annotation names, or the first; if there are others, that is told.
fn default_container<'a>(session: &Session, pod: &'a Value, all: &[&'a str]) -> &'a str {
    let annotated = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    if let Some(name) = annotated.filter(|name| all.contains(name)) {
        return name;
    }
    let own = object::items(pod, "spec.containers");
    let first = own.first().map(|container| object::text(container, "name")).unwrap_or_default();
    if all.len() > 1 {
        let names = |kind: &str, note: &str| -> Vec<String> {
            object::items(pod, kind)
                .iter()
                .map(|container| format!("{}{note}", object::text(container, "name")))
                .collect()
        };
        let mut list = names("spec.containers", "");
        list.extend(names("spec.ephemeralContainers", " (ephem)"));
        list.extend(names("spec.initContainers", " (init)"));
        session.screen.complain(&format!("Defaulted container {first:?} out of: {}", list.join(", ")));
    }
    first
}

/// The pod whose log is most worth reading comes first: on a node, running, ready, for the longest time.
fn log_order(pod: &Value) -> (bool, u8, bool, String, i64, String) {
    let phase = match object::text(pod, "status.phase") {
        "Running" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let ready =
        object::items(pod, "status.conditions").iter().find(|one| one["type"] == "Ready" && one["status"] == "True");
    let since = ready.map(|condition| object::text(condition, "lastTransitionTime")).unwrap_or_default();
    let restarts =
        object::items(pod, "status.containerStatuses").iter().filter_map(|one| one["restartCount"].as_i64()).max();
    (
        object::text(pod, "spec.nodeName").is_empty(),
        phase,
        ready.is_none(),
        since.to_owned(),
        restarts.unwrap_or_default(),
        object::text(pod, "metadata.creationTimestamp").to_owned(),
    )
}

//! The parameters of operations: in the path, and in the query.

use serde_json::{Value, json};

/// A parameter of the query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    name: &'static str,
    /// `string`, `boolean` or `integer`.
    kind: &'static str,
    description: &'static str,
}

const fn text(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind: "string", description }
}

const fn flag(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind: "boolean", description }
}

const fn number(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind: "integer", description }
}

pub const PRETTY: Parameter =
    text("pretty", "Whether the answer is indented; without it, only for browsers, curl and wget.");

const CONTINUE: Parameter = text("continue", "Where the next page begins: `metadata.continue` of the page before.");
const FIELD_SELECTOR: Parameter = text("fieldSelector", "Only objects with these values in their fields.");
const LABEL_SELECTOR: Parameter = text("labelSelector", "Only objects with these labels.");
const LIMIT: Parameter = number("limit", "How many objects a page holds at most.");
const RESOURCE_VERSION: Parameter = text("resourceVersion", "How new the answer is at least, or where a watch begins.");
const MATCH: Parameter =
    text("resourceVersionMatch", "How `resourceVersion` is meant in a list: `Exact` or `NotOlderThan`.");
const INITIAL_EVENTS: Parameter =
    flag("sendInitialEvents", "Whether a watch begins with what is there, and says so with a bookmark at its end.");
const SHARD_SELECTOR: Parameter = text("shardSelector", "Only objects whose hash lies in these ranges.");
const TIMEOUT: Parameter = number("timeoutSeconds", "How long the list or watch may last.");
const BOOKMARKS: Parameter = flag("allowWatchBookmarks", "Whether a watch sends bookmarks, which tell how far it is.");
const WATCH: Parameter = flag("watch", "Whether to go on with what happens, as a stream of events.");

const DRY_RUN: Parameter = text("dryRun", "`All`: everything is done except the storing.");
const FIELD_MANAGER: Parameter = text(
    "fieldManager",
    "Who is noted as the writer of the fields, in at most 128 characters; apply does not go without.",
);
const FIELD_VALIDATION: Parameter = text(
    "fieldValidation",
    "What happens to unknown and duplicate fields: `Ignore` drops them, `Warn` drops them and says so, `Strict` refuses.",
);
const FORCE: Parameter = flag("force", "Whether an apply takes over fields that others own.");
const GRACE_PERIOD: Parameter = number("gracePeriodSeconds", "How long the object may take to end; 0 is at once.");
const IGNORE_READ_ERROR: Parameter = flag(
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "Whether an object that cannot be read from the store is removed all the same.",
);
const ORPHAN: Parameter = flag("orphanDependents", "The old form of `propagationPolicy`; not together with it.");
const PROPAGATION: Parameter =
    text("propagationPolicy", "What becomes of dependents: `Orphan`, `Background` or `Foreground`.");

pub const LIST: &[Parameter] = &[
    BOOKMARKS,
    CONTINUE,
    FIELD_SELECTOR,
    LABEL_SELECTOR,
    LIMIT,
    RESOURCE_VERSION,
    MATCH,
    INITIAL_EVENTS,
    SHARD_SELECTOR,
    TIMEOUT,
    WATCH,
];
pub const WRITE: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
pub const PATCH: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE];
pub const DELETE: &[Parameter] = &[DRY_RUN, GRACE_PERIOD, IGNORE_READ_ERROR, ORPHAN, PROPAGATION];
pub const DELETE_COLLECTION: &[Parameter] = &[
    CONTINUE,
    DRY_RUN,
    FIELD_SELECTOR,
    GRACE_PERIOD,
    IGNORE_READ_ERROR,
    LABEL_SELECTOR,
    LIMIT,
    ORPHAN,
    PROPAGATION,
    RESOURCE_VERSION,
    MATCH,
    INITIAL_EVENTS,
    SHARD_SELECTOR,
    TIMEOUT,
];
pub const LOG: &[Parameter] = &[
    text("container", "Whose log; without it that of the only container."),
    flag("follow", "Whether to go on with what is written from now on."),
    flag("insecureSkipTLSVerifyBackend", "Whether the certificate of the node's agent is left unchecked."),
    number("limitBytes", "After how many bytes the answer ends."),
    flag("previous", "Whether the log is that of the container before its last restart."),
    number("sinceSeconds", "How far back the answer begins; not together with `sinceTime`."),
    text("stream", "`All`, `Stdout` or `Stderr`."),
    number("tailLines", "How many lines from the end."),
    flag("timestamps", "Whether each line begins with its time."),
];

const CONTAINER: Parameter = text("container", "In which container; without it in the only one.");
const STDERR: Parameter = flag("stderr", "Whether standard error is sent to the client.");
const STDIN: Parameter = flag("stdin", "Whether standard input is read from the client.");
const STDOUT: Parameter = flag("stdout", "Whether standard output is sent to the client.");
const TTY: Parameter = flag("tty", "Whether there is a terminal.");
const PROXY: &[Parameter] = &[text("path", "The path of the proxied request.")];

/// What is asked for where a connection is opened, by the kind of its options.
const CONNECT: &[(&str, &[Parameter])] = &[
    ("NodeProxyOptions", PROXY),
    ("PodAttachOptions", &[CONTAINER, STDERR, STDIN, STDOUT, TTY]),
    ("PodExecOptions", &[text("command", "The program and its arguments."), CONTAINER, STDERR, STDIN, STDOUT, TTY]),
    ("PodPortForwardOptions", &[number("ports", "Which ports; with WebSockets only.")]),
    ("PodProxyOptions", PROXY),
    ("ServiceProxyOptions", PROXY),
];

/// `None` for kinds that are sent in a body.
pub fn of_connection(kind: &str) -> Option<&'static [Parameter]> {
    CONNECT.iter().find(|(options, _)| *options == kind).map(|(_, parameters)| *parameters)
}

impl Parameter {
    pub fn to_value(self) -> Value {
        let Self { name, kind, description } = self;
        json!({"name": name, "in": "query", "description": description, "schema": {"type": kind, "uniqueItems": true}})
    }
}

pub fn in_path(name: &str, description: &str) -> Value {
    let schema = json!({"type": "string", "uniqueItems": true});
    json!({"name": name, "in": "path", "description": description, "required": true, "schema": schema})
}

//! The commands of `skiff`: one file and one line each.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, FromArgMatches};

use crate::commands::command::{Entry, entry};
use crate::connection::Connection;
use crate::error::CliError;

#[cfg(test)]
mod against_a_mock;
mod agent;
mod annotate;
mod api_resources;
mod apiserver;
mod apply;
mod arguments;
mod command;
mod completion;
mod controller;
mod create;
mod delete;
mod describe;
mod get;
mod label;
mod logs;
mod patch;
mod scale;
mod serving;
mod up;
mod version;
mod wait;

/// In the order in which the help shows them.
const COMMANDS: &[Entry] = &[
    entry::<up::Up>(),
    entry::<get::Get>(),
    entry::<describe::Describe>(),
    entry::<apply::Apply>(),
    entry::<create::Create>(),
    entry::<delete::Delete>(),
    entry::<scale::Scale>(),
    entry::<patch::Patch>(),
    entry::<label::Label>(),
    entry::<annotate::Annotate>(),
    entry::<logs::Logs>(),
    entry::<wait::Wait>(),
    entry::<api_resources::ApiResources>(),
    entry::<version::Version>(),
    entry::<apiserver::ApiServerCommand>(),
    entry::<controller::ControllerCommand>(),
    entry::<agent::AgentCommand>(),
    entry::<completion::Completion>(),
];

const ABOUT: &str = "A Kubernetes-compatible control plane in one small binary, and a client for any Kubernetes";
const EXAMPLES: &str = "\
Examples:
  skiff up                              start a cluster on this machine
  skiff apply -f examples/web.yaml      create or change what the file describes
  skiff get pods,services -o wide       list pods and services
  skiff describe service my-service     show all about one service, its endpoints and events
  skiff logs -f deployment/my-app       follow the log of one of its pods

Use \"skiff <command> --help\" for more about a command.";

/// The whole command line, for parsing, help and completion.
pub fn command_line() -> clap::Command {
    let mut root = clap::Command::new("skiff")
        .about(ABOUT)
        .after_help(EXAMPLES)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_version_flag(true)
        .arg(Arg::new("version").long("version").action(ArgAction::Version).help("Print the version of this binary"));
    root = <Connection as clap::Args>::augment_args(root).mut_args(hide_cluster_flag);
    for (order, entry) in COMMANDS.iter().enumerate() {
        root = root.subcommand((entry.describe)().display_order(order));
    }
    root
}

/// The flags of `Connection` may stand before the command as well, but are told of only behind it.
fn hide_cluster_flag(arg: Arg) -> Arg {
    let is_own = matches!(arg.get_id().as_str(), "help" | "version");
    arg.hide(!is_own)
}

/// Runs what the arguments ask for.
pub fn run() -> ExitCode {
    let root = command_line();
    let arguments = plain_switches(&root, std::env::args_os().collect());
    let matches = match root.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(CliError::Told) => ExitCode::FAILURE,
        Err(error) => {
            crate::screen::Screen::standard().complain(&error.report());
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<(), CliError> {
    let before = Connection::from_arg_matches(matches).map_err(|error| CliError::local(error.to_string()))?;
    let (name, matches) = matches.subcommand().expect("the parser requires a command");
    let entry = COMMANDS.iter().find(|entry| entry.name == name).expect("the parser knows only listed commands");
    (entry.run)(matches, before)
}

/// Help goes to standard output and is a success; all else is told on standard error, with exit code 1 as kubectl has it.
fn refuse(error: &clap::Error) -> ExitCode {
    use std::error::Error as _;
    // A value that we refuse ourselves is refused in our own words.
    if let Some(reason) = error.source().filter(|_| error.kind() == clap::error::ErrorKind::ValueValidation) {
        crate::screen::Screen::standard().complain(&format!("error: {reason}"));
        return ExitCode::FAILURE;
    }
    // Nobody can be told if even this cannot be printed.
    let _ = error.print();
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Lets `--watch=true` and `--all=false` stand for a switch that is there or not.
fn plain_switches(root: &clap::Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let command = arguments.iter().skip(1).find_map(|argument| root.find_subcommand(argument)).unwrap_or(root);
    let is_switch = |name: &str| {
        command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(name) && matches!(arg.get_action(), ArgAction::SetTrue))
    };
    let mut plain = Vec::with_capacity(arguments.len());
    let mut only_operands = false;
    for argument in arguments {
        only_operands |= argument == "--";
        let text = argument.to_str().and_then(|text| text.strip_prefix("--")).filter(|_| !only_operands);
        match text.and_then(|text| text.split_once('=')) {
            Some((name, "true")) if is_switch(name) => plain.push(format!("--{name}").into()),
            Some((name, "false")) if is_switch(name) => {}
            _ => plain.push(argument),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command_line().debug_assert();
    }

    fn parse(words: &[&str]) -> Result<ArgMatches, clap::Error> {
        let words = std::iter::once("skiff").chain(words.iter().copied()).map(OsString::from).collect();
        let root = command_line();
        let words = plain_switches(&root, words);
        root.try_get_matches_from(words)
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_command() {
        for words in [
            &["-n", "a", "get", "pods"][..],
            &["get", "pods", "-n", "a", "-oyaml"],
            &["get", "-o=json", "pods", "x", "--watch=true", "--show-labels=false", "-A"],
            &["apply", "-f", "a.yaml,b.yaml", "-f", "-", "--dry-run=server"],
            &["delete", "pod", "x", "--wait=false", "--cascade=orphan", "--now"],
            &["logs", "-f", "deployment/x", "--tail=5", "-c", "a", "--since=1m"],
            &["patch", "svc", "x", "-p", "{}", "--type=merge"],
            &["scale", "deployment", "x", "--replicas=3"],
            &["label", "pod", "x", "a=b", "c-", "--overwrite"],
        ] {
            assert!(parse(words).is_ok(), "{words:?}: {}", parse(words).unwrap_err());
        }
        assert!(parse(&["get", "pods", "--nothing"]).is_err());
        assert!(parse(&["nothing"]).is_err());
    }

    #[test]
    fn a_switch_may_have_a_value() {
        let matches = parse(&["get", "pods", "--watch=false", "--no-headers=true"]).unwrap();
        let (_, get) = matches.subcommand().unwrap();
        assert_eq!((get.get_flag("watch"), get.get_flag("no_headers")), (false, true));
    }
}

//! The project's own commands: `cargo xtask NAME`.

mod advisories;
mod check;
mod clients;
mod deny;
mod needs;
mod program;
mod protobuf;
mod schema;
mod test;

use std::process::ExitCode;

use anyhow::Result;

/// One command: a file beside this one, and a line in the list below.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(Vec<String>) -> Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: test::ARGUMENTS,
        about: "install what the tests need, then run them",
        run: test::run,
    },
    Task {
        name: "check",
        arguments: "",
        about: "formatting, lints, and what may come into the build",
        run: check::run,
    },
    Task {
        name: "clients",
        arguments: "",
        about: "fetch the clients that the end-to-end tests drive (needs a network)",
        run: clients::run,
    },
    Task {
        name: "advisories",
        arguments: "",
        about: "known faults of dependencies (needs a network)",
        run: advisories::run,
    },
    Task {
        name: "schema",
        arguments: schema::ARGUMENTS,
        about: "make the table of the API's types from upstream's documents",
        run: schema::run,
    },
    Task {
        name: "protobuf",
        arguments: protobuf::ARGUMENTS,
        about: "make the table of protobuf messages from upstream's list of fields",
        run: protobuf::run,
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        program::say(&format!("there is no `cargo xtask {name}`\n\n{}", usage()));
        return ExitCode::from(2);
    };
    match (task.run)(arguments.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            program::say(&format!("cargo xtask {name}: {error:#}"));
            program::exit_code_of(&error)
        }
    }
}

fn usage() -> String {
    let lines =
        TASKS.iter().map(|task| format!("  {:<50} {}\n", format!("{} {}", task.name, task.arguments), task.about));
    format!("usage: cargo xtask COMMAND\n\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_explained_and_none_is_listed_twice() {
        for task in TASKS {
            assert!(!task.about.is_empty(), "{} lacks its explanation", task.name);
            assert_eq!(
                TASKS.iter().filter(|other| other.name == task.name).count(),
                1,
                "{} is listed twice",
                task.name
            );
            assert!(usage().contains(task.name));
        }
    }
}

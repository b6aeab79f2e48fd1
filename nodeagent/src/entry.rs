//! The agent's own small processes: they are this program, started again with another first argument.

use crate::runtime::process;

/// Runs such a process if that is what this one was started for, and ends it; otherwise does nothing.
/// Every program that has an agent in it calls this first.
pub fn entry() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(name) = arguments.next() else { return };
    let Some((_, main)) = process::COMMANDS.iter().find(|(command, _)| name == *command) else { return };
    std::process::exit(main(&mut arguments));
}

/// The tests' program is such a program too, but its `main` is not ours: this runs before it.
#[cfg(test)]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_TESTS: extern "C" fn() = {
    extern "C" fn before_tests() {
        entry();
    }
    before_tests
};

//! Where a command writes: standard output and standard error, or what stands for them in a test.

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};

use crate::error::CliError;

/// A client command runs on one thread, so that its parts may share the screen.
pub struct Screen {
    out: RefCell<Box<dyn Write>>,
    err: RefCell<Box<dyn Write>>,
}

impl Screen {
    pub fn standard() -> Self {
        Self::new(BufWriter::with_capacity(64 * 1024, io::stdout()), io::stderr())
    }

    pub fn new(out: impl Write + 'static, err: impl Write + 'static) -> Self {
        Self { out: RefCell::new(Box::new(out)), err: RefCell::new(Box::new(err)) }
    }

    pub fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        Ok(self.out.borrow_mut().write_all(bytes)?)
    }

    pub fn print(&self, text: &str) -> Result<(), CliError> {
        self.write(text.as_bytes())
    }

    pub fn line(&self, text: &str) -> Result<(), CliError> {
        self.print(text)?;
        self.print("\n")
    }

    pub fn flush(&self) -> Result<(), CliError> {
        Ok(self.out.borrow_mut().flush()?)
    }

    /// A line for standard error, after all that was printed before it. Nobody can be told if that fails.
    pub fn complain(&self, text: &str) {
        let _ = self.out.borrow_mut().flush();
        let _ = writeln!(self.err.borrow_mut(), "{text}");
    }
}

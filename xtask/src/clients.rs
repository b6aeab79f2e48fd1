//! The clients of other languages that end-to-end tests drive: fetched into `target/clients`, and again when what they need changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{needs, program};

/// A client: its folder below `target/clients`, the files in `tests/clients` that say what it is, and how it is fetched.
struct Client {
    name: &'static str,
    made_of: &'static [&'static str],
    fetch: fn(&Place) -> Result<()>,
}

const CLIENTS: &[Client] = &[
    Client { name: "python", made_of: &["python/requirements.txt"], fetch: python },
    Client {
        name: "javascript",
        made_of: &["javascript/package.json", "javascript/package-lock.json", "javascript/.npmrc"],
        fetch: javascript,
    },
    Client { name: "schemathesis", made_of: &["schemathesis/requirements.txt"], fetch: python },
    Client { name: "kubectl", made_of: &[], fetch: kubectl },
];

/// Written last, so that a client that is half there is fetched again.
const STAMP: &str = ".made-of";

/// Debian's package with a kubectl of 2021, unpacked beside the one on the PATH.
const OLD_KUBECTL: &str = "kubernetes-client";

struct Place {
    folder: PathBuf,
    /// The files that say what it is.
    sources: Vec<PathBuf>,
}

/// The command: `cargo xtask clients`.
pub fn run(arguments: Vec<String>) -> Result<()> {
    if let Some(word) = arguments.first() {
        bail!("`{word}` is not understood: this command takes no arguments");
    }
    provide()
}

/// Fetches what is not there, or not what the sources ask for, with the programs that this takes.
pub fn provide() -> Result<()> {
    needs::provide_for_clients()?;
    let sources = program::root()?.join("tests/clients");
    let target = program::target()?.join("clients");
    for client in CLIENTS {
        let place = Place {
            folder: target.join(client.name),
            sources: client.made_of.iter().map(|file| sources.join(file)).collect(),
        };
        place.make(client.fetch).with_context(|| format!("fetch the {} client", client.name))?;
    }
    Ok(())
}

impl Place {
    fn make(&self, fetch: fn(&Self) -> Result<()>) -> Result<()> {
        let wanted = self.made_of()?;
        if std::fs::read(self.folder.join(STAMP)).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).context("remove what was there")?;
        }
        std::fs::create_dir_all(&self.folder).context("make its folder")?;
        fetch(self)?;
        std::fs::write(self.folder.join(STAMP), wanted).context("note what it is made of")
    }

    fn made_of(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for source in &self.sources {
            all.extend(std::fs::read(source).with_context(|| format!("read {}", source.display()))?);
        }
        Ok(all)
    }
}

fn python(place: &Place) -> Result<()> {
    program::run(Command::new("python3").args(["-m", "venv"]).arg(&place.folder))?;
    let mut install = Command::new(place.folder.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    program::run(install.args(&place.sources))
}

fn javascript(place: &Place) -> Result<()> {
    for source in &place.sources {
        let name = source.file_name().context("a source has a name")?;
        std::fs::copy(source, place.folder.join(name)).with_context(|| format!("copy {}", source.display()))?;
    }
    program::run(Command::new("npm").arg("ci").arg("--ignore-scripts").arg("--prefix").arg(&place.folder))
}

fn kubectl(place: &Place) -> Result<()> {
    // `apt-get download` has no option for where to.
    let download = format!("cd '{}' && apt-get download {OLD_KUBECTL}", place.folder.display());
    let mut fetch = Command::new("sh");
    fetch.args(["-c", &download]);
    if program::run(&mut fetch).is_err() {
        // There are no lists of packages yet, or old ones.
        needs::refresh()?;
        program::run(&mut fetch)?;
    }
    let package = find_package(&place.folder)?;
    program::run(Command::new("dpkg").arg("--extract").arg(package).arg(&place.folder))
}

fn find_package(folder: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).context("read its folder")?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|end| end == "deb")).context("find the package that was downloaded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_fetched_again_only_when_what_it_is_made_of_changes() {
        let folder = std::env::temp_dir().join(format!("skiff-clients-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let source = folder.join("wanted");
        let place = Place { folder: folder.join("client"), sources: vec![source.clone()] };
        let made = || std::fs::read_to_string(place.folder.join("made")).ok();
        // Each time it is fetched, it starts from an empty folder, and copies what it is to be.
        let fetch = |place: &Place| {
            assert!(!place.folder.join("made").exists());
            std::fs::copy(&place.sources[0], place.folder.join("made")).map(drop).context("copy")
        };
        std::fs::write(&source, "one").unwrap();
        place.make(fetch).unwrap();
        place.make(|_| panic!("nothing has changed")).unwrap();
        assert_eq!(made().as_deref(), Some("one"));
        std::fs::write(&source, "two").unwrap();
        place.make(|_| bail!("no network")).unwrap_err();
        place.make(fetch).unwrap();
        assert_eq!(made().as_deref(), Some("two"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nothing_that_is_fetched_names_where_from() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients");
        for file in CLIENTS.iter().flat_map(|client| client.made_of) {
            let text = std::fs::read_to_string(sources.join(file)).unwrap();
            for word in ["\"resolved\"", "registry=", "index-url", "://registry", "://pypi", "://files."] {
                assert!(!text.contains(word), "{file} holds {word}");
            }
        }
    }
}

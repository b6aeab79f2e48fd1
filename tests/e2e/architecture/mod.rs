//! The layout of the sources: arrows, names, sizes and reasons, read out of the files themselves.

mod arrows;
mod files;
mod lexer;
mod links;
mod map;
mod paths;
mod reasons;

use std::path::{Path, PathBuf};

use arrows::{Crate, File};

/// Folders that are built or kept by others.
const NOT_OURS: &[&str] = &["target", ".git", "node_modules"];

#[test]
fn crates_depend_only_downwards() {
    assert_none(arrows::between_crates(&crates(), map::CRATES, map::WITHOUT));
}

#[test]
fn rooms_of_a_crate_name_only_those_below() {
    let crates = crates();
    assert_none(map::HOUSES.iter().flat_map(|house| arrows::between_rooms(find(&crates, house.name), house)));
}

#[test]
fn what_is_reserved_stays_in_its_place() {
    assert_none(crates().iter().flat_map(|one| arrows::reserved(one, map::RESERVED)));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let sources = texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    assert_none(sources.flat_map(|(path, text)| files::source(&path, &text, files::LONG)));
    let gone = files::LONG.iter().filter(|(path, _)| !root().join(path).exists());
    assert_none(gone.map(|(path, _)| format!("{path} has a reason to be long, and is not there")));
}

#[test]
fn no_text_names_a_place_of_one_machine() {
    assert_none(texts().iter().flat_map(|(path, text)| files::text(path, text)));
}

#[test]
fn every_link_leads_somewhere() {
    let pages = texts().into_iter().filter(|(path, _)| path.ends_with(".md"));
    assert_none(pages.flat_map(|(path, text)| {
        let folder = root().join(&path).parent().expect("a page lies in a folder").to_path_buf();
        let dead = links::targets(&text).into_iter().filter(move |target| !folder.join(target).exists());
        dead.map(move |target| format!("{path} links to {target}, which is not there")).collect::<Vec<_>>()
    }));
}

#[test]
fn every_dependency_has_its_reason() {
    let listed = reasons::listed(&read(&root().join("Cargo.toml")));
    let explained = reasons::explained(&read(&root().join("docs/dependencies.md")));
    assert!(!listed.is_empty(), "the workspace's table of dependencies is not found");
    assert_none(reasons::differences(&listed, &explained));
}

#[test]
fn the_reading_finds_what_is_there() {
    let crates = crates();
    assert_eq!(crates.len(), map::CRATES.len(), "a crate of the map is missing");
    let storage = find(&crates, "apiserver").files.iter().find(|file| file.module == ["storage"]);
    assert!(storage.is_some(), "modules are not told from their files");
    assert!(find(&crates, "cluster").dependencies.contains(&"nodeagent".to_owned()), "dependencies are not read");
}

#[track_caller]
fn assert_none(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

fn find<'a>(crates: &'a [Crate], name: &str) -> &'a Crate {
    crates.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("there is no crate {name}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_path_buf()
}

/// Every crate of the workspace with its dependencies and sources.
fn crates() -> Vec<Crate> {
    let manifests = walk(&root()).into_iter().filter(|file| file.ends_with("Cargo.toml"));
    let folders = manifests.filter_map(|file| Some(file.parent()?.to_path_buf())).filter(|folder| *folder != root());
    folders.map(|folder| read_crate(&folder)).collect()
}

fn read_crate(folder: &Path) -> Crate {
    let files = walk(&folder.join("src")).into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"));
    Crate {
        name: folder.file_name().expect("a folder has a name").to_string_lossy().into_owned(),
        dependencies: arrows::dependencies(&read(&folder.join("Cargo.toml"))),
        files: files.map(|file| read_file(&file, &folder.join("src"))).collect(),
    }
}

fn read_file(file: &Path, sources: &Path) -> File {
    let below = file.strip_prefix(sources).expect("it was found there").with_extension("");
    let mut module: Vec<String> = below.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    let words: Vec<&str> = module.iter().map(String::as_str).collect();
    let source = paths::read(&read(file), &words);
    File { path: shown(file), module, source }
}

/// Every text of the repository, by its path.
fn texts() -> Vec<(String, String)> {
    let files = walk(&root()).into_iter();
    files.filter_map(|file| Some((shown(&file), String::from_utf8(std::fs::read(file).ok()?).ok()?))).collect()
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(|entry| entry.expect("read a folder of the repository")) {
        let name = entry.file_name();
        if NOT_OURS.iter().any(|other| name == *other) {
            continue;
        }
        if entry.file_type().is_ok_and(|sort| sort.is_dir()) {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("read {}: {error}", shown(file)))
}

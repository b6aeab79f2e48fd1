//! Finds arrows that the map does not have: between crates, between the rooms of one, and to what is reserved.

use super::map::{House, Place, Reserved};
use super::paths::Source;

/// One crate of the workspace, as its `Cargo.toml` and sources tell.
pub struct Crate {
    pub name: String,
    pub dependencies: Vec<String>,
    pub files: Vec<File>,
}

pub struct File {
    /// Where it lies, for messages.
    pub path: String,
    pub module: Vec<String>,
    pub source: Source,
}

/// The dependencies of every sort that a `Cargo.toml` lists.
pub fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let last_word = section.rsplit('.').next().unwrap_or_default();
            inside = last_word.ends_with("dependencies") && section != "workspace.dependencies";
            if let Some((before, name)) = section.rsplit_once('.')
                && before.ends_with("dependencies")
                && !before.starts_with("workspace")
            {
                found.push(name.to_owned());
            }
        } else if inside && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && line.contains('=') {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// Dependencies of ours that the map does not grant, and such of others that a crate must do without.
pub fn between_crates(crates: &[Crate], map: &[Place], without: &[(&str, &[&str])]) -> Vec<String> {
    let mut wrong = Vec::new();
    for one in crates {
        let Some(place) = map.iter().find(|place| place.name == one.name) else {
            wrong.push(format!("the crate {} is not on the map", one.name));
            continue;
        };
        for dependency in &one.dependencies {
            let is_ours = map.iter().any(|place| place.name == dependency);
            if is_ours && !place.may_name.contains(&dependency.as_str()) {
                wrong.push(format!("{} depends on {dependency}", one.name));
            }
            if without.iter().any(|(name, others)| *name == one.name && others.contains(&dependency.as_str())) {
                wrong.push(format!("{} is to do without {dependency}", one.name));
            }
        }
    }
    wrong
}

/// Paths from one room of a crate into another that do not run down, or that are closed.
pub fn between_rooms(one: &Crate, house: &House) -> Vec<String> {
    let floor = |room: &str| house.floors.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for file in used_files(one) {
        let Some(own) = file.module.first() else { continue };
        let Some(own_floor) = floor(own) else {
            wrong.push(format!("{}: the room {own} is not on the map", file.path));
            continue;
        };
        for path in &file.source.paths {
            let [root, other, ..] = path.as_slice() else { continue };
            if (root != "crate" && *root != one.name) || other == own {
                continue;
            }
            let runs_down = floor(other).is_some_and(|other_floor| other_floor > own_floor);
            if !runs_down || is_closed(house, own, &path[1..]) {
                wrong.push(format!("{}: {own} names {}", file.path, path.join("::")));
            }
        }
    }
    wrong
}

fn is_closed(house: &House, own: &str, path: &[String]) -> bool {
    let path = path.join("::");
    let below = |place: &str| path == place || path.starts_with(&format!("{place}::"));
    house.closed.iter().any(|(from, to, but)| *from == own && below(to) && (but.is_empty() || !below(but)))
}

/// Paths that are reserved to other places.
pub fn reserved(one: &Crate, rules: &[Reserved]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in used_files(one) {
        let here = std::iter::once(one.name.clone()).chain(file.module.iter().cloned()).collect::<Vec<_>>().join("::");
        for path in file.source.paths.iter().map(|path| path.join("::")) {
            for rule in rules.iter().filter(|rule| names(&path, rule.name)) {
                if !rule.places.iter().any(|place| here == *place || here.starts_with(&format!("{place}::"))) {
                    wrong.push(format!("{} names {path}: {}", file.path, rule.reason));
                }
            }
        }
    }
    wrong
}

/// `sled::` stands for all that begins so; another name for itself, also after other words.
fn names(path: &str, rule: &str) -> bool {
    if rule.ends_with("::") { path.starts_with(rule) } else { path == rule || path.ends_with(&format!("::{rule}")) }
}

/// The files that are in the program: those for tests only are left out.
fn used_files(one: &Crate) -> impl Iterator<Item = &File> {
    let for_tests: Vec<&Vec<String>> = one.files.iter().flat_map(|file| &file.source.test_modules).collect();
    one.files.iter().filter(move |file| !for_tests.iter().any(|module| file.module.starts_with(module)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::map;
    use crate::architecture::paths;

    fn made_up(name: &str, files: &[(&[&str], &str)]) -> Crate {
        let files = files.iter().map(|(module, text)| File {
            path: format!("{}.rs", module.join("/")),
            module: module.iter().map(|word| (*word).to_owned()).collect(),
            source: paths::read(text, module),
        });
        Crate { name: name.to_owned(), dependencies: Vec::new(), files: files.collect() }
    }

    fn house(name: &str) -> &'static House {
        map::HOUSES.iter().find(|house| house.name == name).unwrap()
    }

    #[test]
    fn dependencies_of_every_sort_are_read() {
        let manifest = "
            [package]
            name = \"x\"
            [dependencies]
            api.workspace = true
            # kube.workspace = true
            tokio = { workspace = true, features = [\"net\"] }
            [dev-dependencies]
            proptest = \"1\"
            [target.'cfg(unix)'.dependencies]
            libc = \"0.2\"
            [build-dependencies.cluster]
            path = \"../cluster\"
            [workspace.dependencies]
            sled = \"1\"
            [[bin]]
            name = \"y\"
        ";
        assert_eq!(dependencies(manifest), ["api", "tokio", "proptest", "libc", "cluster"]);
    }

    #[test]
    fn a_part_that_depends_on_another_is_found() {
        let mut part = made_up("controller", &[]);
        part.dependencies = vec!["api".into(), "apiserver".into(), "axum".into(), "serde".into()];
        let wrong = between_crates(&[part, made_up("attic", &[])], map::CRATES, map::WITHOUT);
        assert_eq!(
            wrong,
            [
                "controller depends on apiserver",
                "controller is to do without axum",
                "the crate attic is not on the map"
            ]
        );
    }

    #[test]
    fn an_arrow_upwards_is_found_and_one_downwards_is_not() {
        let files: &[(&[&str], &str)] = &[
            (&[], "pub mod http; pub use http::Server;"),
            (&["http", "routes"], "use crate::registry::Registry; use crate::storage::Storage; use super::filter;"),
            (
                &["storage", "sled"],
                "use super::engine::Engine; fn f() { apiserver::http::g(); super::super::kinds::h() }",
            ),
            (&["attic"], ""),
        ];
        assert_eq!(
            between_rooms(&made_up("apiserver", files), house("apiserver")),
            [
                "http/routes.rs: http names crate::storage::Storage",
                "storage/sled.rs: storage names apiserver::http::g",
                "storage/sled.rs: storage names crate::kinds::h",
                "attic.rs: the room attic is not on the map",
            ]
        );
    }

    #[test]
    fn a_way_down_may_be_closed_but_for_one_module() {
        let files: &[(&[&str], &str)] = &[
            (&["a"], "use crate::b::{value::Value, value, valued::Other}; use crate::c;"),
            (&["b"], "use crate::b::d;"),
        ];
        let house = House { name: "x", floors: &[&["a"], &["b", "c"]], closed: &[("a", "b", "b::value")] };
        assert_eq!(between_rooms(&made_up("x", files), &house), ["a.rs: a names crate::b::valued::Other"]);
    }

    #[test]
    fn neighbours_on_a_floor_do_not_know_each_other() {
        let files: &[(&[&str], &str)] = &[(&["kinds"], "use crate::admission::Check;")];
        assert_eq!(between_rooms(&made_up("apiserver", files), house("apiserver")).len(), 1);
    }

    #[test]
    fn a_test_may_look_where_it_likes() {
        let files: &[(&[&str], &str)] = &[
            (&["storage"], "#[cfg(test)] mod contract; #[cfg(test)] mod tests { use crate::http::Server; }"),
            (&["storage", "contract"], "use crate::registry::Registry;"),
        ];
        assert_eq!(between_rooms(&made_up("apiserver", files), house("apiserver")), Vec::<String>::new());
    }

    #[test]
    fn what_is_reserved_is_found_elsewhere() {
        let files: &[(&[&str], &str)] = &[
            (&["storage", "sled"], "use sled::Db;"),
            (
                &["registry"],
                "use sled::Tree; fn f() { tokio::spawn(g()); jiff::Timestamp::now(); Timestamp::now(); respawn::spawn(); tokio::task::spawn_blocking(g) }",
            ),
        ];
        let wrong = reserved(&made_up("apiserver", files), map::RESERVED);
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert_eq!(wrong[0], "registry.rs names sled::Tree: only an engine knows how things are stored");
    }
}

//! What a file must be like: short, named for what it holds, opened by a line that says what it is for.

/// Files that are longer than the rest may be, each with its reason.
pub const LONG: &[(&str, &str)] = &[];

const MOST_LINES: usize = 600;

/// Names that say nothing about what a file or folder holds.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Folders in which people and machines keep their own files.
const FOREIGN_FOLDERS: &[&str] = &["home", "root", "work", "Users"];

/// What is wrong with the source file `path`.
pub fn source(path: &str, text: &str, long: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES && !long.iter().any(|(name, _)| *name == path) {
        wrong.push(format!("{path} has {lines} lines: cut it, or give the reason in the list"));
    }
    if !text.starts_with("//! ") {
        wrong.push(format!("{path} does not say in its first line what it is for"));
    }
    let words = path.trim_end_matches(".rs").split('/');
    if let Some(name) = words.into_iter().find(|word| EMPTY_NAMES.contains(word)) {
        wrong.push(format!("{path}: `{name}` does not say what it holds"));
    }
    wrong
}

/// What is wrong with any text of the repository: it names places of one machine.
pub fn text(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in FOREIGN_FOLDERS {
            if names_folder(line, folder) {
                wrong.push(format!("{path}:{}: `/{folder}/...` is a place of one machine", number + 1));
            }
        }
    }
    wrong
}

/// Whether an absolute path into the folder stands in the line.
fn names_folder(line: &str, folder: &str) -> bool {
    let wanted = format!("/{folder}/");
    line.match_indices(&wanted).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '}' | '/' | '~' | '>' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_needs_a_reason() {
        let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(source("a/b.rs", &long, &[]).len(), 1);
        assert_eq!(source("a/b.rs", &long, &[("a/b.rs", "it is a table")]), Vec::<String>::new());
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(source("a.rs", "use b;\n", &[]), ["a.rs does not say in its first line what it is for"]);
        assert_eq!(source("a.rs", "//! The a.\n", &[]), Vec::<String>::new());
    }

    #[test]
    fn an_empty_name_is_found_in_files_and_folders() {
        assert_eq!(source("a/utils.rs", "//! A.\n", &[]), ["a/utils.rs: `utils` does not say what it holds"]);
        assert_eq!(source("a/common/b.rs", "//! A.\n", &[]).len(), 1);
        assert_eq!(source("a/commonly.rs", "//! A.\n", &[]), Vec::<String>::new());
    }

    #[test]
    fn places_of_one_machine_are_found_and_urls_are_not() {
        let found = |line: &str| !text("a.md", line).is_empty();
        for folder in FOREIGN_FOLDERS {
            assert!(found(&format!("see /{folder}/someone/file")), "{folder}");
            assert!(found(&format!("\"/{folder}/x\"")), "{folder}");
            assert!(!found(&format!("see tests/{folder}/file and ../{folder}/x")), "{folder}");
        }
    }
}

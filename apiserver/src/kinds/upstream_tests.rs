//! Compares what is known of each kind with upstream's tables.

use std::collections::BTreeSet;
use std::path::Path;

use crate::kinds::KINDS;
use crate::kinds::erased::KindRef;

/// The rows of a table, where the tables are; they lie beside the workspace, or beside the folder that it is in.
fn rows(file: &str) -> Option<Vec<Vec<String>>> {
    let mut places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let found = places.find_map(|place| std::fs::read_to_string(place.join("shared/kubernetes").join(file)).ok());
    if found.is_none() {
        println!("SKIPPED: upstream's tables are not at ../shared/kubernetes");
    }
    let row = |line: &str| line.split(';').map(str::to_owned).collect();
    Some(found?.lines().skip(1).map(row).collect())
}

/// `Name:string/name`, as the table writes a column.
fn columns(kind: KindRef, wide: bool) -> String {
    let columns = kind.columns().into_iter().filter(|column| (column.priority > 0) == wide);
    let texts = columns.map(|column| match column.format {
        "" => format!("{}:{}", column.name, column.kind),
        format => format!("{}:{}/{format}", column.name, column.kind),
    });
    texts.collect::<Vec<_>>().join(" | ")
}

#[test]
fn every_column_is_the_one_of_upstream() {
    let Some(rows) = rows("tables.csv") else { return };
    for kind in KINDS.iter().copied() {
        let name = kind.facts().kind;
        // The table has only the first of the columns that upstream puts together for it.
        if name == "CSIDriver" {
            continue;
        }
        let handled = |row: &&Vec<String>| row[0] == name || format!("{}Configuration", row[0]) == name;
        let Some(row) = rows.iter().find(handled) else { continue };
        assert_eq!(columns(kind, false), row[1], "{name}");
        assert_eq!(columns(kind, true), row[2], "{name}, wide");
    }
}

/// The fields that a row of strategies lists, besides name and namespace; none if they are listed in words.
fn labels(row: &str) -> Option<BTreeSet<&str>> {
    let is_plain = |text: &&str| !text.contains(['(', '{', '>']);
    let labels = Some(row).filter(is_plain)?.split(',');
    Some(labels.filter(|label| !label.is_empty() && !label.starts_with("metadata.")).collect())
}

#[test]
fn every_kind_is_written_and_deleted_as_upstream_does() {
    let Some(rows) = rows("strategies.csv") else { return };
    for kind in KINDS {
        let facts = kind.facts();
        let is_its = |row: &&Vec<String>| row[1] == facts.plural || row[1] == facts.singular();
        let Some(row) = rows.iter().find(is_its) else { continue };
        let flags = facts.flags;
        let ours = (flags.create_on_update, flags.unconditional_update, flags.returns_deleted);
        let theirs = (row[2] == "true", row[3] == "true", row[4] == "yes");
        assert_eq!(ours, theirs, "{}", facts.plural);
        if let Some(wanted) = labels(&row[8]) {
            let ours: BTreeSet<&str> = kind.field_labels().iter().map(|label| label.label).collect();
            assert_eq!(ours, wanted, "{}", facts.plural);
        }
    }
}

#[test]
fn every_object_of_upstream_is_read_and_written_whole() {
    let mut places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let Some(folder) =
        places.by_ref().map(|place| place.join("shared/kubernetes/fixtures")).find(|folder| folder.is_dir())
    else {
        println!("SKIPPED: upstream's objects are not at ../shared/kubernetes/fixtures");
        return;
    };
    for kind in KINDS {
        let facts = kind.facts();
        let group = if facts.group.is_empty() { "core" } else { facts.group };
        let Ok(text) = std::fs::read(folder.join(format!("{group}.{}.{}.json", facts.version, facts.kind))) else {
            continue;
        };
        let expected: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let decoded = kind.decode(&text).unwrap();
        assert_eq!(decoded.unknown_fields, [""; 0], "{}", facts.plural);
        assert_eq!(decoded.draft.to_value(), expected, "{}", facts.plural);
    }
}

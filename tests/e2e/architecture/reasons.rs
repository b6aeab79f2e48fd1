//! Every dependency has a line in `docs/dependencies.md` that says why it is there.

/// The names in the table of a workspace's dependencies, those of its own crates left out.
pub fn listed(manifest: &str) -> Vec<String> {
    let table = manifest.split_once("[workspace.dependencies]").map_or("", |(_, rest)| rest);
    let lines = table.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let entries = lines.filter_map(|line| line.split_once('=')).filter(|(_, value)| !value.contains("path ="));
    entries.map(|(name, _)| name.trim().to_owned()).collect()
}

/// The names that have a line, `- **name**: why`.
pub fn explained(page: &str) -> Vec<String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("- **"));
    lines.filter_map(|line| line.split_once("**: ")).map(|(name, _)| name.to_owned()).collect()
}

/// What is listed and not explained, explained and not listed, or explained twice.
pub fn differences(listed: &[String], explained: &[String]) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(listed.iter().filter(|name| !explained.contains(name)).map(|name| format!("{name} has no line")));
    wrong.extend(explained.iter().filter(|name| !listed.contains(name)).map(|name| format!("{name} is not used")));
    let twice = explained.iter().enumerate().filter(|(at, name)| explained[..*at].contains(name));
    wrong.extend(twice.map(|(_, name)| format!("{name} has two lines")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_line_and_a_line_without_a_dependency_are_found() {
        let manifest = "[workspace.dependencies]\napi = { path = \"api\" }\n\nhttp = \"1\"\nsled = { version = \"1\" }\n\n[lints]\na = 1\n";
        let page = "# Why\n\n- **http**: types of requests.\n- **tower**: gone.\n- **http**: again.\n";
        let found = differences(&listed(manifest), &explained(page));
        assert_eq!(found, ["sled has no line", "tower is not used", "http has two lines"]);
    }
}

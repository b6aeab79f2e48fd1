//! Links between the repository's pages: each leads to something that is there.

/// The targets of a page's links that point into the repository, without what follows a `#`.
pub fn targets(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in page.match_indices("](") {
        let Some((target, _)) = page[at + 2..].split_once(')') else { continue };
        let target = target.split('#').next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            found.push(target.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_into_the_repository_are_looked_at() {
        let page =
            "See [a](docs/a.md), [b](../b.md#part), [`c`](https://example.org/c), [d](#below) and [e](mailto:e).";
        assert_eq!(targets(page), ["docs/a.md", "../b.md"]);
    }
}

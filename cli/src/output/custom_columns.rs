//! Columns that the user chose: `-o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName`.

use serde_json::Value;

use crate::object;
use crate::output::jsonpath::Template;
use crate::output::{columns, plain};

#[derive(Debug, Clone)]
pub struct Columns(Vec<(String, Template)>);

impl Columns {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("custom-columns format specified but no custom columns given".to_owned());
        }
        let columns = text.split(',').map(|column| {
            let (header, path) = column.split_once(':').ok_or_else(|| {
                format!("unexpected custom-columns spec: {column}, expected <header>:<json-path-expr>")
            })?;
            Ok((header.to_owned(), Template::parse_relaxed(path)?))
        });
        columns.collect::<Result<_, String>>().map(Self)
    }

    /// A line of headers, and a line of paths below it.
    pub fn parse_file(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let (headers, paths) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let pairs: Vec<String> = headers
            .split_whitespace()
            .zip(paths.split_whitespace())
            .map(|(header, path)| format!("{header}:{path}"))
            .collect();
        Self::parse(&pairs.join(","))
    }

    pub fn render(&self, object: &Value, with_headers: bool) -> Result<String, String> {
        let mut text = String::new();
        if with_headers {
            let headers: Vec<&str> = self.0.iter().map(|(header, _)| header.as_str()).collect();
            text.push_str(&(headers.join("\t") + "\n"));
        }
        let single = std::slice::from_ref(object);
        let objects = if object::is_list(object) { object::items(object, "items") } else { single };
        for object in objects {
            let cells: Vec<String> = self.0.iter().map(|(_, path)| cell(path, object)).collect();
            text.push_str(&(cells.join("\t") + "\n"));
        }
        Ok(columns::align(&text, 6, 3))
    }
}

fn cell(path: &Template, object: &Value) -> String {
    let found: Vec<String> = path.find(object).into_iter().filter(|value| !value.is_null()).map(plain).collect();
    if found.is_empty() { "<none>".to_owned() } else { columns::escape(&found.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_object_is_a_row() {
        let list = json!({"kind": "List", "items": [
            {"metadata": {"name": "a"}, "spec": {"ports": [1, {"p": 2}]}},
            {"metadata": {"name": "longer-name"}},
        ]});
        let columns = Columns::parse("NAME:.metadata.name,PORTS:.spec.ports[*]").unwrap();
        assert_eq!(
            columns.render(&list, true).unwrap(),
            "NAME          PORTS\na             1,map[p:2]\nlonger-name   <none>\n"
        );
        assert!(Columns::parse("NAME").is_err());
        let columns = Columns::parse_file("NAME  X\nmetadata.name  .spec\n").unwrap();
        assert_eq!(columns.render(&list["items"][1], false).unwrap(), "longer-name   <none>\n");
    }
}

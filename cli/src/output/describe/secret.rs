//! Secrets: the size of each entry, never what is in it.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::Page;
use crate::output::describe::{Describer, Related};

pub const DESCRIBER: Describer = Describer { group: "", kind: "Secret", needs: |_| Vec::new(), write };

fn write(page: &mut Page, object: &Value, _related: &Related) {
    page.heading(object);
    page.raw(&format!("\nType:\t{}\n", object::text(object, "type")));
    page.raw("\nData\n====\n");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        page.field(0, key, format_args!("{} bytes", decoded_length(value)));
    }
}

/// How many bytes a text in base64 stands for.
pub fn decoded_length(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default().trim_end_matches('=');
    text.len() * 3 / 4
}

//! Config maps: each entry in full.

use serde_json::Value;

use crate::output::describe::page::Page;
use crate::output::describe::secret::decoded_length;
use crate::output::describe::{Describer, Related, events};

pub const DESCRIBER: Describer =
    Describer { group: "", kind: "ConfigMap", needs: |object| vec![events::need(object)], write };

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.heading(object);
    page.raw("\nData\n====\n");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        page.raw(&format!("{key}:\n----\n{}\n\n", value.as_str().unwrap_or_default()));
    }
    page.raw("\nBinaryData\n====\n");
    for (key, value) in object["binaryData"].as_object().into_iter().flatten() {
        page.raw(&format!("{key}: {} bytes\n", decoded_length(value)));
    }
    page.raw("\n");
    events::write(page, related);
}

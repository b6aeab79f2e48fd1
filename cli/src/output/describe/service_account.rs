//! Service accounts.

use serde_json::Value;

use crate::object;
use crate::output::describe::page::Page;
use crate::output::describe::{Describer, Related, events};

pub const DESCRIBER: Describer =
    Describer { group: "", kind: "ServiceAccount", needs: |object| vec![events::need(object)], write };

fn write(page: &mut Page, object: &Value, related: &Related) {
    page.heading(object);
    write_names(page, "Image pull secrets:", object::items(object, "imagePullSecrets"));
    events::write(page, related);
}

fn write_names(page: &mut Page, header: &str, secrets: &[Value]) {
    if secrets.is_empty() {
        page.line(0, &format!("{header}\t<none>"));
    }
    for (at, secret) in secrets.iter().enumerate() {
        let header = if at == 0 { header } else { "                   " };
        page.line(0, &format!("{header}\t{}", object::text(secret, "name")));
    }
}

//! Tables: objects as rows of columns, the way `kubectl get` shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::http::content::accept::MetaVersion;
use crate::http::query::Query;
use crate::http::reply::list::{ListMeta, write_list_meta};
use crate::http::reply::metadata;
use crate::kinds::erased::KindRef;
use crate::storage::object::Object;

/// What stands beside the cells of a row (`includeObject=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowObject {
    None,
    Metadata,
    Object,
}

impl RowObject {
    pub fn of_query(query: &Query<'_>) -> Self {
        match query.get("includeObject") {
            Some("None") => Self::None,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// A Table with one row.
pub fn of_object(version: MetaVersion, kind: KindRef, object: &Object, rows: RowObject, now: Timestamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    write_event(version, kind, object, rows, now, false, &mut out);
    out
}

/// As `of_object`, at the end of `out`. Only the first event of a watch says what the columns are.
pub fn write_event(
    version: MetaVersion,
    kind: KindRef,
    object: &Object,
    rows: RowObject,
    now: Timestamp,
    knows_columns: bool,
    out: &mut Vec<u8>,
) {
    let meta = ListMeta { revision: object.revision, continue_token: "", remaining: None };
    if knows_columns {
        write_opening(version, &meta, out);
        out.extend_from_slice(NO_COLUMNS);
    } else {
        write_head(version, kind, &meta, out);
    }
    write_row(version, kind, object, rows, now, out);
    out.extend_from_slice(TAIL);
}

/// A Table without rows: a bookmark.
pub fn write_empty(version: MetaVersion, meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    write_opening(version, meta, out);
    out.extend_from_slice(NO_COLUMNS);
    out.extend_from_slice(TAIL);
}

const NO_COLUMNS: &[u8] = br#""columnDefinitions":null,"rows":["#;

/// What closes a Table after its last row.
pub const TAIL: &[u8] = b"]}";

/// Everything before the first row.
pub fn write_head(version: MetaVersion, kind: KindRef, meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    write_opening(version, meta, out);
    let columns = kind.columns().into_iter().map(|head| {
        json!({
            "name": head.name,
            "type": head.kind,
            "format": head.format,
            "description": head.description,
            "priority": head.priority,
        })
    });
    out.extend_from_slice(br#""columnDefinitions":"#);
    write_json(&Value::from_iter(columns), out);
    out.extend_from_slice(br#","rows":["#);
}

fn write_opening(version: MetaVersion, meta: &ListMeta<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"kind":"Table","apiVersion":""#);
    out.extend_from_slice(version.api_version().as_bytes());
    out.extend_from_slice(br#"","metadata":"#);
    write_list_meta(meta, out);
    out.push(b',');
}

/// One row. An object that its own kind cannot read shows its name alone rather than hiding all others.
pub fn write_row(
    version: MetaVersion,
    kind: KindRef,
    object: &Object,
    rows: RowObject,
    now: Timestamp,
    out: &mut Vec<u8>,
) {
    let bytes = object.bytes();
    let cells = kind.cells(&bytes, now).unwrap_or_else(|_| unreadable(kind, object));
    out.extend_from_slice(br#"{"cells":"#);
    write_json(&Value::Array(cells), out);
    match rows {
        RowObject::None => {}
        RowObject::Metadata => {
            out.extend_from_slice(br#","object":"#);
            metadata::write(version, &bytes, out);
        }
        RowObject::Object => {
            out.extend_from_slice(br#","object":"#);
            out.extend_from_slice(&bytes);
        }
    }
    out.push(b'}');
}

fn unreadable(kind: KindRef, object: &Object) -> Vec<Value> {
    let unknown = kind.columns().into_iter().skip(1).map(|_| Value::from("<unknown>"));
    std::iter::once(Value::from(&*object.meta.name)).chain(unknown).collect()
}

fn write_json(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a Vec takes any bytes");
}

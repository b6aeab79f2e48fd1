//! HTTP in and out: routes, filters, content types, streams. Knows no storage.

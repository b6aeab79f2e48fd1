//! EndpointSlices as two controllers write them: drafts, the writing itself, and what was written last.

pub mod draft;
pub mod tracker;
pub mod writer;

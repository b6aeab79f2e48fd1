//! What the storage is told about resources, since it knows no kinds.

use api::names::GroupResource;

/// The resources that may be stored, and what can be selected of them.
pub trait Layout: Send + Sync + 'static {
    /// The resource with these names, as they stand on disk; none if there is no such resource.
    fn resource(&self, group: &str, resource: &str) -> Option<GroupResource>;

    /// The selectable fields of an object, in the order of its kind's field labels.
    fn fields(&self, resource: GroupResource, bytes: &[u8]) -> Box<[Box<str>]>;
}

//! Slices as they are to be written.

use std::sync::Arc;

use crate::kinds::endpoint_slice::{AddressType, Endpoint, EndpointSlice, Port};
use crate::kinds::pairs::Pairs;

/// What a slice is to hold: one that is there, or a new one.
#[derive(Debug, Clone)]
pub struct Draft {
    pub existing: Option<Arc<EndpointSlice>>,
    pub address_type: AddressType,
    pub ports: Vec<Port>,
    pub endpoints: Vec<Endpoint>,
    pub labels: Pairs,
}

/// The slices of a Service, or of a part of it, after packing.
#[derive(Debug, Default)]
pub struct Packed {
    pub create: Vec<Draft>,
    pub update: Vec<Draft>,
    pub delete: Vec<Arc<EndpointSlice>>,
    pub keep: Vec<Arc<EndpointSlice>>,
}

impl Packed {
    pub fn append(&mut self, other: Self) {
        self.create.extend(other.create);
        self.update.extend(other.update);
        self.delete.extend(other.delete);
        self.keep.extend(other.keep);
    }

    /// Makes slices that would be deleted into those that would be created.
    pub fn recycle(&mut self, can_recycle: impl Fn(&EndpointSlice) -> bool) {
        let mut deleted = Vec::new();
        for slice in std::mem::take(&mut self.delete) {
            let fits = |draft: &Draft| draft.address_type == slice.address_type && can_recycle(&slice);
            match self.create.pop_if(|draft| fits(draft)) {
                Some(draft) => self.update.push(Draft { existing: Some(slice), ..draft }),
                None => deleted.push(slice),
            }
        }
        self.delete = deleted;
    }
}

//! ServiceCIDR: a range from which Services get their addresses.

use api::cidr::Cidr;
use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::networking::v1::ServiceCIDR;

use crate::kinds::addresses::canonical_range;
use crate::kinds::facts::{STATUS, Subresource};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::shown;
use crate::kinds::table::{age_column, name_column};

const IMMUTABLE: &str = "field is immutable";

impl Kind for ServiceCIDR {
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("CIDRs", "string", "The range, of each family.", |range, _| ranges(range).join(",").into()),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        self.spec.get_or_insert_default();
        self.status.get_or_insert_default();
    }

    fn before_create(&mut self) {
        self.status = Some(Default::default());
    }

    fn before_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn before_subresource_update(&mut self, _: &str, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("spec").child("cidrs");
        let list = ranges(self);
        if list.is_empty() {
            errors.push(FieldError::required(&path, "at least one CIDR required"));
        } else if list.len() > 2 {
            errors.push(FieldError::invalid(&path, shown(&self.spec), "may only hold up to 2 values"));
        } else {
            let read = list.iter().enumerate().map(|(index, range)| canonical_range(errors, &path.index(index), range));
            let read: Vec<Option<Cidr>> = read.collect();
            if let [Some(first), Some(second)] = read[..]
                && first.network().is_ipv4() == second.network().is_ipv4()
            {
                let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
                errors.push(FieldError::invalid(&path, shown(&list), why));
            }
        }
    }

    /// A second family may be added; nothing else changes.
    fn validate_update(&self, old: &Self, errors: &mut FieldErrors) {
        let path = Path::new("spec").child("cidrs");
        let (new, old) = (ranges(self), ranges(old));
        let only_grows = old.len() == 1 && new.len() == 2;
        if new.len() != old.len() && !only_grows {
            errors.push(FieldError::invalid(&path, shown(&new), IMMUTABLE));
            return;
        }
        for (index, (new, _)) in new.iter().zip(old).enumerate().filter(|(_, (new, old))| new != old) {
            errors.push(FieldError::invalid(&path.index(index), new.as_str(), IMMUTABLE));
        }
    }
}

fn ranges(range: &ServiceCIDR) -> &[String] {
    range.spec.as_ref().and_then(|spec| spec.cidrs.as_deref()).unwrap_or_default()
}

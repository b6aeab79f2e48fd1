//! LimitRange: bounds and defaults of what the pods and claims of a namespace ask for.

use std::collections::{BTreeMap, BTreeSet};

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use api::quantity::Quantity;
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::resource_names;
use crate::kinds::rules::{canonical_amounts, readable, text};
use crate::kinds::table::{created_at_column, name_column};

const POD: &str = "Pod";
const CONTAINER: &str = "Container";
const CLAIM: &str = "PersistentVolumeClaim";

impl Kind for LimitRange {
    const SHORT_NAMES: &'static [&'static str] = &["limits"];
    const FLAGS: Flags = Flags { create_on_update: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[name_column(), created_at_column()];

    fn fill_defaults(&mut self) {
        self.spec.get_or_insert_default().limits.iter_mut().for_each(fill);
    }

    /// One without a name is given one that nobody else has.
    fn before_create(&mut self) {
        let metadata = &mut self.metadata;
        if text(&metadata.name).is_empty() && text(&metadata.generate_name).is_empty() {
            metadata.name = metadata.uid.clone();
        }
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let path = Path::new("spec").child("limits");
        let mut types = BTreeSet::new();
        for (index, item) in self.spec.iter().flat_map(|spec| &spec.limits).enumerate() {
            let path = path.index(index);
            validate_type(&item.type_, &path.child("type"), errors);
            if !types.insert(&item.type_) {
                errors.push(FieldError::duplicate(&path.child("type"), item.type_.as_str()));
            }
            validate_item(item, &path, errors);
        }
    }
}

type Amounts = Option<BTreeMap<String, Amount>>;

/// For containers, what is left out follows from what is said: the limit from the maximum, the request from the limit,
/// else from the minimum.
fn fill(item: &mut LimitRangeItem) {
    for amounts in
        [&mut item.default, &mut item.default_request, &mut item.max, &mut item.min, &mut item.max_limit_request_ratio]
    {
        canonical_amounts(amounts);
    }
    if item.type_ != CONTAINER {
        return;
    }
    complete(&mut item.default, &item.max);
    complete(&mut item.default_request, &item.default);
    complete(&mut item.default_request, &item.min);
}

fn complete(amounts: &mut Amounts, from: &Amounts) {
    for (name, amount) in from.iter().flatten() {
        amounts.get_or_insert_default().entry(name.clone()).or_insert_with(|| amount.clone());
    }
}

fn validate_type(kind: &str, path: &Path, errors: &mut FieldErrors) {
    if let Err(why) = names::qualified_name(kind) {
        errors.push(FieldError::invalid(path, kind, why));
    } else if !kind.contains('/') && ![POD, CONTAINER, CLAIM].contains(&kind) {
        errors.push(FieldError::invalid(path, kind, "must be a standard limit type or fully qualified"));
    }
}

fn validate_item(item: &LimitRangeItem, path: &Path, errors: &mut FieldErrors) {
    let of_pod = [POD, CONTAINER].contains(&item.type_.as_str());
    let read = |amounts: &Amounts, field: &str, errors: &mut FieldErrors| -> BTreeMap<String, Quantity> {
        let mut known = BTreeMap::new();
        for (name, amount) in amounts.iter().flatten() {
            let path = path.child(field).key(name);
            if of_pod {
                resource_names::of_container(errors, &path, name);
            } else {
                resource_names::any(errors, &path, name);
            }
            if let Some(amount) = readable(errors, &path, amount) {
                known.insert(name.clone(), amount);
            }
        }
        known
    };
    let max = read(&item.max, "max", errors);
    let min = read(&item.min, "min", errors);
    let (mut default, mut request) = (BTreeMap::new(), BTreeMap::new());
    if item.type_ == POD {
        for (amounts, field) in [(&item.default, "default"), (&item.default_request, "defaultRequest")] {
            if amounts.as_ref().is_some_and(|amounts| !amounts.is_empty()) {
                let why = "may not be specified when `type` is 'Pod'";
                errors.push(FieldError::forbidden(&path.child(field), why));
            }
        }
    } else {
        default = read(&item.default, "default", errors);
        request = read(&item.default_request, "defaultRequest", errors);
    }
    if item.type_ == CLAIM && !max.contains_key("storage") && !min.contains_key("storage") {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(FieldError::required(&path.child("limits"), why));
    }
    let ratio = read(&item.max_limit_request_ratio, "maxLimitRequestRatio", errors);
    let names: BTreeSet<&String> =
        [&max, &min, &default, &request, &ratio].into_iter().flat_map(BTreeMap::keys).collect();
    for name in names {
        let of = |amounts: &BTreeMap<String, Quantity>| amounts.get(name).copied();
        let bounds =
            Bounds { max: of(&max), min: of(&min), default: of(&default), request: of(&request), ratio: of(&ratio) };
        bounds.validate(name, path, errors);
    }
}

/// All that is said of one resource.
struct Bounds {
    max: Option<Quantity>,
    min: Option<Quantity>,
    default: Option<Quantity>,
    request: Option<Quantity>,
    ratio: Option<Quantity>,
}

impl Bounds {
    fn validate(&self, name: &str, path: &Path, errors: &mut FieldErrors) {
        let mut ordered =
            |low: (&str, Option<Quantity>), high: (&str, Option<Quantity>), field: &str, shown: Option<Quantity>| {
                if let ((low_name, Some(low)), (high_name, Some(high)), Some(shown)) = (low, high, shown)
                    && low > high
                {
                    let why = format!("{low_name} value {low} is greater than {high_name} value {high}");
                    errors.push(FieldError::invalid(&path.child(field).key(name), shown.to_string(), why));
                }
            };
        let Self { max, min, default, request, ratio } = *self;
        ordered(("min", min), ("max", max), "min", min);
        ordered(("min", min), ("default request", request), "defaultRequest", request);
        ordered(("default request", request), ("max", max), "defaultRequest", request);
        ordered(("default request", request), ("default limit", default), "defaultRequest", request);
        ordered(("min", min), ("default", default), "default", min);
        ordered(("default", default), ("max", max), "default", max);
        if let Some(ratio) = ratio {
            self.validate_ratio(ratio, &path.child("maxLimitRequestRatio").key(name), errors);
        }
        if let (Some(default), Some(request)) = (default, request)
            && !resource_names::may_be_overcommitted(name)
            && default != request
        {
            let why = format!("default value {default} must equal to defaultRequest value {request} in {name}");
            errors.push(FieldError::invalid(&path.child("defaultRequest").key(name), request.to_string(), why));
        }
    }

    fn validate_ratio(&self, ratio: Quantity, path: &Path, errors: &mut FieldErrors) {
        if ratio < Quantity::from_units(1) {
            let why = format!("ratio {ratio} is less than 1");
            errors.push(FieldError::invalid(path, ratio.to_string(), why));
        }
        let (Some(max), Some(min)) = (self.max, self.min) else { return };
        let most = max.milli() as f64 / min.milli() as f64;
        if ratio.milli() as f64 / 1000.0 > most {
            let why = format!("ratio {ratio} is greater than max/min = {most:.6}");
            errors.push(FieldError::invalid(path, ratio.to_string(), why));
        }
    }
}

//! PriorityLevelConfiguration: how many requests of a level run at once, and what happens to more.

use api::field::{FieldError, FieldErrors, Path};
use k8s_openapi::api::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, LimitResponse, LimitedPriorityLevelConfiguration, PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec, QueuingConfiguration,
};
use serde_json::Value;

use crate::kinds::facts::{Flags, STATUS, Subresource};
use crate::kinds::flow_initial;
use crate::kinds::flow_schema::{EXEMPT, validate_condition_types};
use crate::kinds::kind::{Column, Kind};
use crate::kinds::rules::{keep_metadata, shown, supported, text};
use crate::kinds::table::{NONE, age_column, name_column};

const MOST_QUEUES: i32 = 10_000_000;
/// As many bits as a hash of a flow has.
const MOST_HASH_BITS: u32 = 60;

impl Kind for PriorityLevelConfiguration {
    const SUBRESOURCES: &'static [Subresource] = &[STATUS];
    const FLAGS: Flags = Flags { counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Type", "string", "Whether it is limited.", |level, _| {
            level.spec.as_ref().map(|spec| spec.type_.clone()).unwrap_or_default().into()
        }),
        Column::new("NominalConcurrencyShares", "string", "Its share of the server.", |level, _| {
            or_none(limited(level).and_then(|limited| limited.nominal_concurrency_shares))
        }),
        Column::new("Queues", "string", "How many queues it has.", |level, _| {
            or_none(queuing(level).and_then(|queuing| queuing.queues))
        }),
        Column::new("HandSize", "string", "How many queues a flow may be in.", |level, _| {
            or_none(queuing(level).and_then(|queuing| queuing.hand_size))
        }),
        Column::new("QueueLengthLimit", "string", "How long a queue may grow.", |level, _| {
            or_none(queuing(level).and_then(|queuing| queuing.queue_length_limit))
        }),
        age_column(),
    ];

    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        if let Some(exempt) = &mut spec.exempt {
            exempt.nominal_concurrency_shares.get_or_insert(0);
            exempt.lendable_percent.get_or_insert(0);
        }
        if let Some(limited) = &mut spec.limited {
            limited.nominal_concurrency_shares.get_or_insert(30);
            limited.lendable_percent.get_or_insert(0);
            let queuing = limited.limit_response.as_mut().and_then(|response| response.queuing.as_mut());
            queuing.into_iter().for_each(fill_queuing);
        }
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
        keep_metadata(&mut self.metadata, &old.metadata);
    }

    fn validate(&self, errors: &mut FieldErrors) {
        let Some(spec) = &self.spec else { return };
        let (name, path) = (text(&self.metadata.name), Path::new("spec"));
        validate_spec(name, spec, &path, errors);
        let Some(fixed) = flow_initial::mandatory_level(name).and_then(|level| level.spec) else { return };
        // How much the exempt level lends is for the administrator to say.
        let (fixed, except) = if name == EXEMPT {
            let exempt = spec.exempt.clone();
            (PriorityLevelConfigurationSpec { exempt, ..fixed }, " except the 'spec.exempt' field")
        } else {
            (fixed, "")
        };
        if *spec != fixed {
            let why = format!("spec of '{name}'{except} must equal the fixed value");
            errors.push(FieldError::invalid(&path, shown(spec), why));
        }
    }

    fn validate_subresource_update(&self, _: &str, _: &Self, errors: &mut FieldErrors) {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        validate_condition_types(conditions.map(|condition| text(&condition.type_)), errors);
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.spec != old.spec
    }
}

fn fill_queuing(queuing: &mut QueuingConfiguration) {
    let fields = [(&mut queuing.hand_size, 8), (&mut queuing.queues, 64), (&mut queuing.queue_length_limit, 50)];
    for (field, default) in fields {
        if field.unwrap_or_default() == 0 {
            *field = Some(default);
        }
    }
}

fn limited(level: &PriorityLevelConfiguration) -> Option<&LimitedPriorityLevelConfiguration> {
    level.spec.as_ref()?.limited.as_ref()
}

fn queuing(level: &PriorityLevelConfiguration) -> Option<&QueuingConfiguration> {
    limited(level)?.limit_response.as_ref()?.queuing.as_ref()
}

fn or_none(count: Option<i32>) -> Value {
    count.map_or_else(|| NONE.into(), Value::from)
}

fn validate_spec(name: &str, spec: &PriorityLevelConfigurationSpec, path: &Path, errors: &mut FieldErrors) {
    let type_path = path.child("type");
    if (name == EXEMPT) != (spec.type_ == "Exempt") {
        let why = "type must be 'Exempt' if and only if name is 'exempt'";
        errors.push(FieldError::invalid(&type_path, spec.type_.as_str(), why));
    }
    match &*spec.type_ {
        "Exempt" => {
            if spec.limited.is_some() {
                errors.push(FieldError::forbidden(&path.child("limited"), "must be nil if the type is not Limited"));
            }
            if let Some(exempt) = &spec.exempt {
                validate_exempt(exempt, &path.child("exempt"), errors);
            }
        }
        "Limited" => {
            if spec.exempt.is_some() {
                errors.push(FieldError::forbidden(&path.child("exempt"), "must be nil if the type is Limited"));
            }
            match &spec.limited {
                Some(limited) => validate_limited(limited, &path.child("limited"), errors),
                None => {
                    let why = "must not be empty when type is Limited";
                    errors.push(FieldError::required(&path.child("limited"), why));
                }
            }
        }
        other => supported(errors, &type_path, other, &["Exempt", "Limited"]),
    }
}

fn validate_shares(shares: Option<i32>, path: &Path, errors: &mut FieldErrors) {
    if let Some(shares) = shares.filter(|shares| *shares < 0) {
        let why = "must be a non-negative integer";
        errors.push(FieldError::invalid(&path.child("nominalConcurrencyShares"), shares, why));
    }
}

fn validate_lendable(percent: Option<i32>, path: &Path, errors: &mut FieldErrors) {
    if let Some(percent) = percent.filter(|percent| !(0..=100).contains(percent)) {
        let why = "must be between 0 and 100, inclusive";
        errors.push(FieldError::invalid(&path.child("lendablePercent"), percent, why));
    }
}

fn validate_exempt(exempt: &ExemptPriorityLevelConfiguration, path: &Path, errors: &mut FieldErrors) {
    validate_shares(exempt.nominal_concurrency_shares, path, errors);
    validate_lendable(exempt.lendable_percent, path, errors);
}

fn validate_limited(limited: &LimitedPriorityLevelConfiguration, path: &Path, errors: &mut FieldErrors) {
    validate_shares(limited.nominal_concurrency_shares, path, errors);
    let response = limited.limit_response.clone().unwrap_or_default();
    validate_response(&response, &path.child("limitResponse"), errors);
    validate_lendable(limited.lendable_percent, path, errors);
    if let Some(percent) = limited.borrowing_limit_percent.filter(|percent| *percent < 0) {
        let why = "if specified, must be a non-negative integer";
        errors.push(FieldError::invalid(&path.child("borrowingLimitPercent"), percent, why));
    }
}

fn validate_response(response: &LimitResponse, path: &Path, errors: &mut FieldErrors) {
    let queuing_path = path.child("queuing");
    match (&*response.type_, &response.queuing) {
        ("Reject", Some(_)) => {
            let why = "must be nil if limited.limitResponse.type is not Limited";
            errors.push(FieldError::forbidden(&queuing_path, why));
        }
        ("Reject", None) => {}
        ("Queue", None) => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            errors.push(FieldError::required(&queuing_path, why));
        }
        ("Queue", Some(queuing)) => validate_queuing(queuing, &queuing_path, errors),
        (other, _) => supported(errors, &path.child("type"), other, &["Queue", "Reject"]),
    }
}

fn validate_queuing(queuing: &QueuingConfiguration, path: &Path, errors: &mut FieldErrors) {
    let (queues, hand) = (queuing.queues.unwrap_or_default(), queuing.hand_size.unwrap_or_default());
    let length = queuing.queue_length_limit.unwrap_or_default();
    let mut wrong = |field: &str, value: i32, why: String| {
        errors.push(FieldError::invalid(&path.child(field), value, why));
    };
    let positive = || "must be positive".to_owned();
    if length <= 0 {
        wrong("queueLengthLimit", length, positive());
    }
    if queues <= 0 {
        wrong("queues", queues, positive());
    } else if queues > MOST_QUEUES {
        wrong("queues", queues, format!("must not be greater than {MOST_QUEUES}"));
    }
    if hand <= 0 {
        wrong("handSize", hand, positive());
    } else if hand > queues {
        wrong("handSize", hand, format!("should not be greater than queues ({queues})"));
    } else if entropy_bits(queues, hand) > MOST_HASH_BITS {
        let why = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MOST_HASH_BITS}"
        );
        wrong("handSize", hand, why);
    }
}

/// How many bits it takes to deal a hand out of a deck.
fn entropy_bits(deck: i32, hand: i32) -> u32 {
    (f64::from(deck).log2() * f64::from(hand)).ceil() as u32
}

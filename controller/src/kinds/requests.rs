//! Amounts of resources: what a pod asks for, what a node has.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use serde::Deserialize;

/// `cpu: 500m` and so on, as written.
pub type ResourceList = BTreeMap<Box<str>, QuantityText>;

/// A quantity may be written as a string or as a number.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum QuantityText {
    Text(Box<str>),
    Number(f64),
}

impl QuantityText {
    fn parse(&self) -> Quantity {
        let parsed = match self {
            Self::Text(text) => Quantity::parse(text),
            Self::Number(number) => Quantity::parse(&number.to_string()),
        };
        parsed.unwrap_or(Quantity::ZERO)
    }
}

/// CPU in thousandths, all else in units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    pub cpu: i64,
    pub memory: i64,
    pub ephemeral_storage: i64,
    /// Sorted by name.
    pub extended: Box<[(Box<str>, i64)]>,
}

/// Resources that a node has for every pod alike, counted elsewhere.
const PODS: &str = "pods";

impl Amounts {
    pub fn of(list: &ResourceList) -> Self {
        let mut amounts = Self::default();
        let mut extended = Vec::new();
        for (name, quantity) in list {
            match &**name {
                "cpu" => amounts.cpu = quantity.parse().milli(),
                "memory" => amounts.memory = quantity.parse().units(),
                "ephemeral-storage" => amounts.ephemeral_storage = quantity.parse().units(),
                PODS => {}
                _ => extended.push((name.clone(), quantity.parse().units())),
            }
        }
        amounts.extended = extended.into();
        amounts
    }

    /// How many pods a node takes.
    pub fn pods_of(list: &ResourceList) -> i64 {
        list.get(PODS).map_or(0, |quantity| quantity.parse().units())
    }

    pub fn extended(&self, name: &str) -> i64 {
        self.extended.iter().find(|(other, _)| **other == *name).map_or(0, |(_, amount)| *amount)
    }

    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, i64::saturating_add)
    }

    pub fn minus(&self, other: &Self) -> Self {
        self.combine(other, i64::saturating_sub)
    }

    pub fn max(&self, other: &Self) -> Self {
        self.combine(other, i64::max)
    }

    fn combine(&self, other: &Self, with: fn(i64, i64) -> i64) -> Self {
        let extended = if self.extended.is_empty() && other.extended.is_empty() {
            Box::default()
        } else {
            let all = self.extended.iter().chain(other.extended.iter());
            let names: std::collections::BTreeSet<&Box<str>> = all.map(|(name, _)| name).collect();
            names.into_iter().map(|name| (name.clone(), with(self.extended(name), other.extended(name)))).collect()
        };
        Self {
            cpu: with(self.cpu, other.cpu),
            memory: with(self.memory, other.memory),
            ephemeral_storage: with(self.ephemeral_storage, other.ephemeral_storage),
            extended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_added() {
        let list = r#"{"cpu":"500m","memory":"1Gi","pods":"110","example.com/gpu":"2","ephemeral-storage":1024}"#;
        let list: ResourceList = serde_json::from_str(list).unwrap();
        let amounts = Amounts::of(&list);
        assert_eq!((amounts.cpu, amounts.memory, amounts.ephemeral_storage), (500, 1 << 30, 1024));
        assert_eq!((amounts.extended("example.com/gpu"), Amounts::pods_of(&list)), (2, 110));
        let twice = amounts.plus(&amounts);
        assert_eq!((twice.cpu, twice.extended("example.com/gpu")), (1000, 4));
        assert_eq!(twice.minus(&amounts), amounts);
    }
}

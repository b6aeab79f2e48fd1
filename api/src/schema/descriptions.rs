//! What types and their fields mean, in words: packed by `build.rs` in the order of the table.

use std::io::Read;

use flate2::read::DeflateDecoder;

use crate::schema::{self, Definition};

/// Changes when a word does.
pub static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.deflate"));

/// All descriptions, unpacked. It takes a megabyte and some milliseconds: made where it is needed, and not kept.
pub struct Descriptions {
    text: String,
    /// Where the description for each line of the table begins.
    lines: Vec<u32>,
    /// The line of each type.
    types: Vec<u32>,
}

impl Descriptions {
    pub fn unpack() -> Self {
        let mut text = String::with_capacity(1024 * 1024);
        DeflateDecoder::new(PACKED).read_to_string(&mut text).expect("the build packs text");
        let lines = std::iter::once(0).chain(text.match_indices('\0').map(|(end, _)| end as u32 + 1)).collect();
        let numbered = schema::TABLE.lines().zip(0..);
        let types = numbered.filter(|(line, _)| !line.starts_with(' ')).map(|(_, number)| number).collect();
        Self { text, lines, types }
    }

    /// Empty where nothing is said.
    pub fn of(&self, definition: Definition) -> &str {
        self.line(definition, 0)
    }

    /// The fields of a type are counted from 0, in the order of `Definition::properties`.
    pub fn of_property(&self, definition: Definition, number: usize) -> &str {
        self.line(definition, number + 1)
    }

    fn line(&self, definition: Definition, below: usize) -> &str {
        let line = self.types[usize::from(definition.0)] as usize + below;
        let begin = self.lines[line] as usize;
        let end = self.lines[line + 1] as usize - 1;
        &self.text[begin..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_nearly_every_field_is_described() {
        let descriptions = Descriptions::unpack();
        let mut silent = Vec::new();
        let mut fields = 0;
        for definition in schema::definitions() {
            if descriptions.of(definition).is_empty() {
                silent.push(definition.name().to_owned());
            }
            for (number, property) in definition.properties().enumerate() {
                fields += 1;
                if descriptions.of_property(definition, number).is_empty() {
                    silent.push(format!("{}.{}", definition.name(), property.name()));
                }
            }
        }
        // Upstream says nothing about some parts of schemas either.
        assert!(fields > 3_000 && silent.len() < 130, "{} of {fields}: {silent:?}", silent.len());
    }

    #[test]
    fn a_field_has_its_own_words() {
        let descriptions = Descriptions::unpack();
        let pod = schema::of_kind("", "v1", "Pod").unwrap();
        assert!(descriptions.of(pod).starts_with("Pod is a collection of containers"));
        let spec = pod.properties().position(|property| property.name() == "spec").unwrap();
        assert!(descriptions.of_property(pod, spec).starts_with("Specification of the desired behavior of the pod."));
        let list = schema::of_kind("", "v1", "PodList").unwrap();
        assert_eq!(descriptions.of(list), "PodList is a list of Pod objects.");
    }
}

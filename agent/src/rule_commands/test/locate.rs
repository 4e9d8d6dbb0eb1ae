//! Where in a test file something stands: serde gives values without places, so the file is read again up to the place asked for.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step from a node of the file to one below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Name(String),
    Index(usize),
}

/// Line of the node at the end of the path, or of the last one on the way that there is. From 1; 0 where the text is no YAML.
pub(super) fn line(text: &str, path: &[Step]) -> usize {
    let place = |n: usize| {
        let stopped =
            Walk(&path[..n]).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
        Some(stopped).filter(|e| e.to_string().contains(HERE))?.location()
    };
    (0..=path.len()).rev().find_map(place).map_or(0, |l| l.line())
}

/// What the walk stops with where it wants to be.
const HERE: &str = "the place asked for";

struct Walk<'p>(&'p [Step]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl Walk<'_> {
    fn stop<E: Error>(&self) -> Result<(), E> {
        if self.0.is_empty() { Err(E::custom(HERE)) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.stop()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.stop()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.stop()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.stop()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.stop()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.stop()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return self.stop() };
        let mut at = 0;
        loop {
            let found = match step {
                Step::Index(n) if *n == at => seq.next_element_seed(Walk(rest))?,
                _ => seq.next_element::<IgnoredAny>()?.map(drop),
            };
            if found.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.0.split_first() else { return self.stop() };
        while let Some(key) = map.next_key::<String>()? {
            let is_it = match step {
                Step::Key(name) => *name == key,
                Step::Name(name) => *name == key,
                // One of what may be a list is written without one.
                Step::Index(_) => return self.stop(),
            };
            if is_it {
                map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nodes_are_found() {
        let text = "a: 1\ntests:\n  - name: x\n    events:\n      - openat: {name: y,\n          flags: z}\n  - name: w\n";
        let (tests, events) = (Step::Key("tests"), Step::Key("events"));
        let openat = Step::Name("openat".into());
        for (path, expected) in [
            (vec![], 1),
            (vec![tests.clone(), Step::Index(1)], 7),
            (vec![tests.clone(), Step::Index(0), events.clone(), Step::Index(0)], 5),
            (
                vec![
                    tests.clone(),
                    Step::Index(0),
                    events,
                    Step::Index(0),
                    openat,
                    Step::Key("flags"),
                ],
                6,
            ),
            (vec![tests, Step::Index(9)], 3),
        ] {
            assert_eq!(line(text, &path), expected, "{path:?}");
        }
        assert_eq!(line("[", &[Step::Index(3)]), 1);
    }
}

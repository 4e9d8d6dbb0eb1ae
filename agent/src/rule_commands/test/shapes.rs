//! Shapes that values of a test file may have: a text that looks like a number, one or several, a short form or keys.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};

/// Visits every kind of scalar as its text.
macro_rules! scalars {
    ($self:ident, $text:ident => $made:expr) => {
        fn visit_str<E: Error>($self, v: &str) -> Result<Self::Value, E> {
            let $text: String = v.to_owned();
            $made
        }

        fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
            self.visit_str(if v { "true" } else { "false" })
        }

        fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
            self.visit_str(&v.to_string())
        }

        fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
            self.visit_str(&v.to_string())
        }

        fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
            self.visit_str(&v.to_string())
        }
    };
}

/// Text that may look like a number or a truth value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            scalars!(self, text => Ok(Text(text)));
        }
        d.deserialize_any(V)
    }
}

/// A value whose meaning depends on what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Null,
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, a list or a map of them")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Written::Null)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(Text(one)) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Written::List(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((Text(key), Text(value))) = map.next_entry()? {
                    all.push((key, value));
                }
                Ok(Written::Map(all))
            }

            scalars!(self, text => Ok(Written::Text(text)));
        }
        d.deserialize_any(V)
    }
}

/// One, or a list of them.
#[derive(Clone, Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one, or a list of them")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(OneOrMany::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            scalars!(self, text => T::deserialize(text.into_deserializer()).map(|one| OneOrMany(vec![one])));
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// Something with a short form, a text, beside its keys.
pub(super) trait ShortForm: Sized {
    /// Its keys.
    type Keys: for<'de> Deserialize<'de>;
    /// What may stand there.
    const EXPECTED: &'static str;
    /// From the short form.
    fn of_text(text: String) -> Self;
    /// From the keys.
    fn of_keys(keys: Self::Keys) -> Self;
}

/// Reads something that has a short form.
pub(super) fn read<'de, D: Deserializer<'de>, T: ShortForm>(d: D) -> Result<T, D::Error> {
    struct V<T>(PhantomData<T>);
    impl<'de, T: ShortForm> Visitor<'de> for V<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::Keys::deserialize(MapAccessDeserializer::new(map)).map(T::of_keys)
        }

        scalars!(self, text => Ok(T::of_text(text)));
    }
    d.deserialize_any(V(PhantomData))
}

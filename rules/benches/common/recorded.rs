//! Events of real captures by the values of their fields.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use rules::{Field, FieldType};

use crate::common::events::{Event, Owned, newest};

/// The field values that are recorded for sampled events of each capture in `corpus`.
pub(crate) fn events(corpus: &Path) -> Vec<Event> {
    let file = std::fs::File::open(corpus.join("fields.json.gz")).expect("the corpus has it");
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("it is gzip");
    let captures: BTreeMap<String, Vec<HashMap<String, serde_json::Value>>> =
        serde_json::from_str(&text).expect("it is JSON");
    captures.into_values().flatten().filter_map(|values| of_recorded(&values)).collect()
}

fn of_recorded(values: &HashMap<String, serde_json::Value>) -> Option<Event> {
    let mut event = Event::new(newest(values.get("evt.type")?.as_str()?)?);
    for name in ["proc.pname", "proc.aname[2]", "proc.aname[3]"] {
        if let Some(name) = values.get(name).and_then(serde_json::Value::as_str) {
            event.ancestors.push(name.to_owned());
        }
    }
    for (name, value) in values {
        let Some(field) = Field::by_name(name) else { continue };
        let value = match field.info().ty {
            FieldType::Text => value.as_str().map(|t| Owned::Text(t.to_owned())),
            FieldType::Bool => value.as_bool().map(Owned::Bool),
            FieldType::Ip | FieldType::Net => {
                value.as_str().and_then(|t| t.parse().ok()).map(Owned::Ip)
            }
            ty if ty.is_signed() => value.as_i64().map(Owned::I64),
            ty if ty.is_numeric() => value.as_u64().map(Owned::U64),
            _ => None,
        };
        if let Some(value) = value {
            event = event.with(field, value);
        }
    }
    Some(event)
}

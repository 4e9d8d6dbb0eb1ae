//! Old events become those of the current schema: exits get what their enters said, enters vanish, old types become new ones.
//!
//! Lenient where other readers give up: an enter of another call counts as missing, parameters beyond the schema are left out, and a
//! number of parameters that the table does not know is filled up with empty ones.

mod container;
mod enters;
mod plan;
mod table;

use event::EventType;

use self::{
    enters::{Enters, StoredEnter},
    plan::{Fate, Origin, Plans, Rewrite, Verdict},
};
use super::{Rooms, SavedEvent};

/// Converts the events of a file, in its order.
#[derive(Debug)]
pub(super) struct Converter {
    plans: Plans,
    enters: Enters,
    /// Parameters that the event given last has beside those of its block.
    added_lens: Vec<[u8; 2]>,
    added: Vec<u8>,
    n_trimmed: u64,
}

impl Converter {
    pub(super) fn within(rooms: Rooms) -> Self {
        Self {
            plans: Plans::new(),
            enters: Enters::within(rooms.starts()),
            added_lens: Vec::new(),
            added: Vec::new(),
            n_trimmed: 0,
        }
    }

    /// Forgets the enters: another section begins.
    pub(super) fn restart(&mut self) {
        self.enters.restart();
    }

    /// Starts of calls that were forgotten because all of them took too much memory.
    pub(super) fn n_forgotten(&self) -> u64 {
        self.enters.n_forgotten()
    }

    /// Events with more parameters than the schema; the rest was left out.
    pub(super) fn n_trimmed(&self) -> u64 {
        self.n_trimmed
    }

    /// Makes of the event what the current schema has for it; gives whether it is one of its own.
    #[inline]
    pub(super) fn convert<'a>(&'a mut self, event: &mut SavedEvent<'a>) -> bool {
        let (n_schema, is_announcement) = self.plans.of_type(event.event_type);
        event.is_state_only |= is_announcement;
        if event.n_params() > n_schema {
            event.keep_first_params(n_schema);
            self.n_trimmed += 1;
        }
        match self.plans.verdict(event.event_type, event.n_params()) {
            Verdict::Keep => true,
            Verdict::Drop => false,
            Verdict::Store => {
                self.enters.store(event);
                false
            }
            Verdict::Rewrite(_) => self.rewrite(event),
        }
    }

    fn rewrite<'a>(&'a mut self, event: &mut SavedEvent<'a>) -> bool {
        let Self { plans, enters, added_lens, added, .. } = self;
        let Verdict::Rewrite(rewrite) = plans.verdict(event.event_type, event.n_params()) else {
            return true;
        };
        let &Rewrite { event_type, n_kept, fate, enter, first_of_enter, .. } = rewrite;
        let origins = plans.origins(rewrite);
        event.is_state_only |= fate != Fate::Delivered;
        if matches!(fate, Fate::Stored | Fate::StoredAndHidden) {
            let enter = enter.and_then(|of| Some((of, enters.take(event.tid, of)?)));
            fill(origins, event, enter, added_lens, added);
            event.keep_first_params(n_kept);
            event.set_added_params(added_lens, added);
            event.event_type = event_type;
            enters.store(event);
            return fate != Fate::Stored;
        }
        let enter = enter.and_then(|of| Some((of, enters.take(event.tid, of)?)));
        let all =
            first_of_enter.and_then(|first| enter.as_ref()?.1.params(first..first + origins.len()));
        if let Some((lens, bytes)) = all {
            // They stay where they are stored.
            event.keep_first_params(n_kept);
            event.set_added_params(lens, bytes);
        } else {
            fill(origins, event, enter, added_lens, added);
            event.keep_first_params(n_kept);
            event.set_added_params(added_lens, added);
        }
        event.event_type = event_type;
        true
    }
}

/// Collects the parameters that follow the kept ones.
fn fill(
    origins: &[Origin],
    event: &SavedEvent<'_>,
    enter: Option<(EventType, &StoredEnter)>,
    lens: &mut Vec<[u8; 2]>,
    data: &mut Vec<u8>,
) {
    lens.clear();
    data.clear();
    for origin in origins {
        let start = data.len();
        let bytes = match *origin {
            Origin::Recorded(n) => event.param(n).unwrap_or_default(),
            Origin::Filler(filler) => filler.bytes(),
            Origin::Enter { of, n, or } => enter
                .filter(|(stored, _)| *stored == of)
                .and_then(|(_, enter)| Some(enter.params(n..n + 1)?.1))
                .unwrap_or_else(|| or.bytes()),
            Origin::Json => {
                container::write_json(event, data);
                &[]
            }
        };
        data.extend_from_slice(bytes);
        // Only a made-up text could be longer than a length can say; it is left out.
        if let Ok(len) = u16::try_from(data.len() - start) {
            lens.push(len.to_le_bytes());
        } else {
            data.truncate(start);
            lens.push([0; 2]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{
        plan::{Action, Source},
        table::ROWS,
    };

    fn instruction(source: &Source) -> String {
        match source {
            Source::Old(n) => format!("old{n}"),
            Source::Enter(n) => format!("enter{n}|default"),
            Source::EnterOrEmpty(n) => format!("enter{n}|empty"),
            Source::Default => "default".into(),
            Source::Empty => "empty".into(),
            Source::Json => "callback".into(),
        }
    }

    #[test]
    fn the_table_is_the_schemas() {
        let reference = std::env::var_os("PEREGRINE_CORPUS")
            .map(|dir| PathBuf::from(dir).join("../reference/conversion_table.tsv"));
        let Some(text) = reference.and_then(|path| std::fs::read_to_string(path).ok()) else {
            eprintln!("SKIPPED: no conversion_table.tsv beside PEREGRINE_CORPUS to compare with");
            return;
        };
        let ours = ROWS.iter().map(|(ty, n, action)| {
            let (name, new_type, sources) = match action {
                Action::Store => ("store", String::new(), &[][..]),
                Action::Pass => ("pass", String::new(), &[][..]),
                Action::StoreAndPass => ("store_and_pass", String::new(), &[][..]),
                Action::Add(sources) => ("add_params", String::new(), *sources),
                Action::Become(to, sources) => ("change_type", to.to_string(), *sources),
            };
            let sources: Vec<String> = sources.iter().map(instruction).collect();
            format!("{ty}|{n}|{name}|{new_type}|{}", sources.join(" "))
        });
        // Columns 1 and 5 are names of types.
        let theirs = text.lines().filter(|l| !l.starts_with('#')).map(|line| {
            let column = |n| line.split('\t').nth(n).unwrap_or_default();
            [column(0), column(2), column(3), column(4), column(6)].join("|")
        });
        assert!(ours.eq(theirs));
    }
}

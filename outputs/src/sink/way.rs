//! How messages come to a sink: by a queue of its own, or out of the outbox.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perf::boot_now_ns;
use rules::Priority;

use crate::message::{Message, Shared};
use crate::outbox::{Next, Reader, ReaderEnd, Record};
use crate::queue::{QueueRx, QueueTx};

/// Records that are taken out of the outbox at a time.
const MAX_TAKEN: usize = 512;
/// Text of them.
const MAX_TAKEN_BYTES: usize = 1 << 20;
/// A wait that ends by a wake ends by itself after so long.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The end that the outputs' thread holds.
pub(crate) enum Way {
    Queue(QueueTx),
    /// The outbox is given messages once for all sinks.
    Outbox(ReaderEnd),
}

impl Way {
    /// Wakes the sink's thread for what was pushed.
    pub(crate) fn wake(&self) {
        match self {
            Self::Queue(queue) => queue.wake(),
            // It is woken once they are written.
            Self::Outbox(_) => {}
        }
    }

    /// Says that no more messages come.
    pub(crate) fn end(&self) {
        match self {
            Self::Queue(queue) => queue.end(),
            // All sinks of the outbox learn it from that.
            Self::Outbox(_) => {}
        }
    }

    /// What wakes the sink's thread, whatever it waits for.
    pub(crate) fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        match self {
            Self::Queue(queue) => {
                let reader = queue.reader();
                Box::new(move || {
                    reader.wake();
                })
            }
            Self::Outbox(reader) => {
                let reader = reader.clone();
                Box::new(move || reader.wake())
            }
        }
    }

    /// Messages of which it is not known what became of them.
    pub(crate) fn depth(&self) -> Box<dyn Fn() -> u64 + Send + Sync> {
        match self {
            Self::Queue(queue) => {
                let depth = queue.depth();
                Box::new(move || depth.get())
            }
            Self::Outbox(reader) => {
                let reader = reader.clone();
                Box::new(move || reader.n_pending())
            }
        }
    }

    /// Takes what is left out of the hands of the sink's thread, which must not settle anything any more. Gives how many messages are lost
    /// by that, and how many the outbox keeps.
    pub(crate) fn give_up(&self) -> (u64, u64) {
        match self {
            Self::Queue(queue) => (queue.settle_rest(), 0),
            Self::Outbox(reader) => {
                reader.end();
                (0, reader.n_pending())
            }
        }
    }
}

/// The end that the sink's thread holds.
pub(crate) enum Source {
    Queue(QueueRx),
    Outbox(Outgoing),
}

/// What a sink takes out of the outbox.
pub(crate) struct Outgoing {
    reader: Reader,
    /// Taken out of the outbox and not by the sink.
    next: VecDeque<Shared>,
    /// Taken by the sink and not settled.
    n_out: usize,
}

impl Outgoing {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, next: VecDeque::new(), n_out: 0 }
    }
}

impl Source {
    /// The oldest message that was not taken. It counts as waiting until it is settled.
    pub(crate) fn pop(&mut self) -> Option<Shared> {
        match self {
            Self::Queue(queue) => queue.pop(),
            Self::Outbox(Outgoing { reader, next, n_out }) => {
                let is_through = next.is_empty() && *n_out == 0;
                if is_through
                    && reader.next(MAX_TAKEN, MAX_TAKEN_BYTES, Duration::ZERO) == Next::Batch
                {
                    next.extend(reader.batch().map(|record| Arc::new(decode(record))));
                }
                let message = next.pop_front();
                *n_out += usize::from(message.is_some());
                message
            }
        }
    }

    /// Says that these messages, the oldest, are delivered, or will never be.
    pub(crate) fn settle<'m>(
        &mut self,
        messages: impl ExactSizeIterator<Item = &'m Shared>,
        are_delivered: bool,
    ) {
        match self {
            Self::Queue(queue) => queue.settle(messages),
            Self::Outbox(Outgoing { reader, n_out, .. }) => {
                let n = messages.len();
                *n_out -= n;
                if are_delivered { reader.delivered(n) } else { reader.refused(n) }
            }
        }
    }

    /// Waits a little for messages or a wake, or for so long at most.
    pub(crate) fn wait(&mut self, longest: Duration) {
        match self {
            Self::Queue(queue) => queue.wait(longest),
            Self::Outbox(Outgoing { reader, next, n_out }) => {
                let longest = longest.min(LONGEST_WAIT);
                if next.is_empty() && *n_out == 0 {
                    reader.idle(longest);
                } else {
                    reader.pause(longest);
                }
            }
        }
    }

    /// Whether no more messages come than those that wait.
    pub(crate) fn is_ended(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.is_ended(),
            Self::Outbox(outgoing) => outgoing.reader.is_ended(),
        }
    }

    /// Whether nothing waits and nothing comes.
    pub(crate) fn is_finished(&mut self) -> bool {
        match self {
            Self::Queue(queue) => queue.is_finished(),
            Self::Outbox(Outgoing { reader, next, n_out }) => {
                next.is_empty() && *n_out == 0 && reader.next(1, 1, Duration::ZERO) == Next::End
            }
        }
    }

    /// Whether what a sink leaves here is there in the next run.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self, Self::Outbox(_))
    }
}

/// A message as the text of a record: a line about it, the name of its rule as long as that says, and its line.
pub(crate) fn encode(message: &Message) -> String {
    let Message { id: _, ts_ns, taken_ns: _, rule, priority, is_json, line } = message;
    let mut text = String::with_capacity(line.len() + rule.len() + 64);
    let form = if *is_json { "json" } else { "text" };
    let _infallible = writeln!(text, "{ts_ns} {form} {priority} {}", rule.len());
    text.push_str(rule);
    text.push_str(line);
    text
}

/// The message of a record. One that another version wrote in another way is delivered as it stands.
fn decode(record: &Record) -> Message {
    let taken_ns = taken_ns(record.time_ns);
    let Record { id, time_ns, text } = record;
    let parsed = text.split_once('\n').and_then(|(about, rest)| {
        let mut words = about.split(' ');
        let ts_ns = words.next()?.parse().ok()?;
        let is_json = words.next()? == "json";
        let priority = words.next()?.parse().ok()?;
        let (rule, line) = rest.split_at_checked(words.next()?.parse().ok()?)?;
        let (id, rule, line) = (Some(*id), rule.into(), line.into());
        Some(Message { id, ts_ns, taken_ns, rule, priority, is_json, line })
    });
    parsed.unwrap_or_else(|| Message {
        id: Some(*id),
        ts_ns: *time_ns,
        taken_ns,
        rule: "".into(),
        priority: Priority::Error,
        is_json: false,
        line: text.as_str().into(),
    })
}

/// When the outputs took it, by this boot's clock, which did not run yet when an earlier boot did.
fn taken_ns(time_ns: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    boot_now_ns().saturating_sub(now.saturating_sub(time_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AlertId;
    use crate::testing::message;

    #[test]
    fn a_message_comes_out_of_the_outbox_as_it_went_in() {
        let id = AlertId { epoch: 5, sequence: 6 };
        for is_json in [false, true] {
            let mut of = Arc::into_inner(message("a line")).unwrap();
            (of.id, of.is_json, of.rule) = (Some(id), is_json, "a\nrule \u{20ac}".into());
            let time_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
            let got = decode(&Record { id, time_ns, text: encode(&of) });
            assert!(boot_now_ns() - got.taken_ns < 1_000_000_000);
            assert_eq!(Message { taken_ns: of.taken_ns, ..got }, of);
        }
        for text in ["something\nelse\n", "1 text Error 99\nrule\n", "1 text Error 1\n\u{20ac}\n"] {
            let odd = decode(&Record { id, time_ns: 3, text: text.into() });
            assert_eq!((odd.ts_ns, &*odd.line), (3, text));
        }
    }
}

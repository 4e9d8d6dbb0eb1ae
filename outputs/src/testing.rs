//! An alert, messages, and a sink that keeps them, for the tests of this crate.

mod alerts;

use std::sync::{Arc, Mutex};

use rules::Priority;

pub(crate) use self::alerts::alert;
use crate::message::{Message, Shared};
use crate::sink::{Sent, Transport};

/// What was delivered.
#[derive(Clone, Default)]
pub(crate) struct Page(Arc<Mutex<String>>);

impl Page {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Transport for Page {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        let mut page = self.0.lock().unwrap();
        for message in messages {
            page.push_str(&message.line);
        }
        Sent { n_delivered: messages.len(), stop: None }
    }
}

/// A message with this text.
pub(crate) fn message(text: &str) -> Shared {
    Arc::new(Message {
        id: None,
        ts_ns: 1_795_357_671_000_000_042,
        taken_ns: 0,
        rule: "a rule".into(),
        priority: Priority::Warning,
        is_json: false,
        line: format!("{text}\n").into(),
    })
}

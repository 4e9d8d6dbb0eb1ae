//! An alert, messages, and a sink that keeps them, for the tests of this crate.

use std::sync::{Arc, Mutex};

use rules::{Alert, AlertMarks, AlertValue, Priority, RuleInfo};

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

pub(crate) fn alert(output: &str) -> Alert {
    let rule = RuleInfo {
        name: "Read sensitive file".into(),
        desc: String::new(),
        priority: Priority::Warning,
        source: "syscall".into(),
        tags: vec!["T1555".into(), "filesystem".into()],
        condition: String::new(),
        output: String::new(),
        exceptions: Vec::new(),
        capture: false,
        capture_duration_ms: 0,
    };
    Alert {
        rule: Arc::new(rule),
        evt_num: 7,
        // 2026-11-22 14:27:51 UTC.
        ts_ns: 1_795_357_671_000_000_042,
        output: output.to_owned(),
        fields: vec![
            ("proc.name".into(), AlertValue::Text("cat".into())),
            ("fd.num".into(), AlertValue::I64(3)),
            ("user.name".into(), AlertValue::Missing),
        ],
        marks: AlertMarks::default(),
    }
}

//! A recording through one shard: the values that fields have for each of its events.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus::Key;
use capture::savefile::{EVT_NUM_SHIFT, Header, Playback};
use rules::{Alert, RuleMatching, Ruleset};
use serde_json::Value;
use stages::{Progress, User, Users};

use crate::support::{Feeder, Setup, pipeline, ruleset};

/// Every capture of the corpus.
pub(crate) const CAPTURES: [&str; 8] = [
    "curl_google",
    "curl_google_comments",
    "falco_cat_write",
    "falco_connect_localhost",
    "falco_open-multiple-files",
    "falco_psp_run_as_user_0_container",
    "sample",
    "single_ipv6_conn",
];

/// Where the corpus lies; `None`, said once, where it is not there.
pub(crate) fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("PEREGRINE_CORPUS").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: stages/tests/recordings: PEREGRINE_CORPUS is not set");
    }
    dir
}

/// What fields say of an event, by name.
pub(crate) type Values = HashMap<String, Value>;

/// What tells an event among those of a recording.
pub(crate) type Id = (u64, u64, String);

/// The values of the fields for each event of a recording that is shown, in the file's order.
pub(crate) fn replayed(path: &Path, fields: &[&str]) -> Vec<(Id, Values)> {
    const TELLING: [&str; 3] = ["evt.rawtime", "thread.tid", "evt.type"];
    let output: Vec<String> = TELLING.iter().chain(fields).map(|f| format!("%{f}")).collect();
    let text = format!(
        "- rule: all\n  desc: d\n  condition: evt.num >= 0\n  output: \"{}\"\n  priority: INFO\n  warn_evttypes: false\n",
        output.join(" ")
    );
    let mut all = Vec::new();
    for alert in raised(path, &ruleset(&text, RuleMatching::All)) {
        let values: Values = alert
            .fields
            .iter()
            .map(|(name, value)| (name.to_string(), serde_json::to_value(value).unwrap()))
            .collect();
        let number = |name: &str| values[name].as_u64().unwrap_or_default();
        let ty = values["evt.type"].as_str().unwrap_or_default().to_owned();
        all.push(((number("evt.rawtime"), number("thread.tid"), ty), values));
    }
    all
}

/// The alerts that rules raise over a recording, in the file's order.
pub(crate) fn raised(path: &Path, rules: &Arc<Ruleset>) -> Vec<Alert> {
    let mut playback = Playback::open(path).expect("a capture of the corpus can be opened");
    let users = users(playback.header());
    let mut frames: Vec<(Key, Vec<u8>)> = Vec::new();
    while let Some(next) = playback.next_frame().expect("captures of the corpus are whole") {
        frames.push((next.key, next.frame.to_vec()));
    }
    let mut p = pipeline(&Setup { users, evt_num_shift: EVT_NUM_SHIFT, ..Setup::new(1, 1, rules) });
    for (key, frame) in &frames {
        stages::note(&p.lineage, &p.users, *key, frame);
    }
    let mut feeder = Feeder {
        frames: frames.iter().map(|(key, frame)| (*key, &frame[..])).collect(),
        at: 0,
        lanes: p.lanes.remove(0),
        watermark: p.watermarks[0].clone(),
    };
    let mut raised = Vec::new();
    loop {
        feeder.step(100);
        // One shard waits for nothing but room for its alerts.
        let is_ended = p.shards[0].poll_once() == Progress::Ended;
        raised.extend(std::iter::from_fn(|| p.alerts[0].pop()));
        if is_ended {
            return raised;
        }
    }
}

/// Users and groups as the file lists them.
fn users(header: &Header) -> Users {
    let mut users = Users::new();
    for u in &header.users {
        let user =
            User { name: (*u.name).into(), homedir: (*u.home).into(), shell: (*u.shell).into() };
        users.add_user(u.uid, user);
    }
    for g in &header.groups {
        users.add_group(g.gid, &g.name);
    }
    users
}

//! Bounds of what is kept of a container: its runtime, or who made it, may say any amount.

use std::collections::BTreeMap;

use crate::{Details, Probe};

/// Bytes of one text, a text of a list, and a list; as JSON writes them, so that the whole fits into an event of a recording.
const MAX_TEXT_LEN: usize = 1024;
const MAX_ITEM_LEN: usize = 4096;
const MAX_LIST_LEN: usize = 8 << 10;
const MAX_PORTS: usize = 32;
const MAX_PROBE_ARGS: usize = 2;

impl Details {
    /// The same within bounds: longer texts are cut, longer lists lose their last ones, and labels with a longer value than `max_label_len` are
    /// left out. Its JSON is shorter than 64 KiB.
    #[must_use]
    pub(crate) fn bounded(mut self, max_label_len: usize) -> Self {
        let named = [&mut self.id, &mut self.full_id, &mut self.name, &mut self.user];
        let of_image = [&mut self.image_repository, &mut self.image_tag, &mut self.image_digest];
        let others = [&mut self.image, &mut self.image_id, &mut self.ip, &mut self.pod_sandbox_id];
        let texts = named.into_iter().chain(of_image).chain(others);
        for text in texts {
            cut(text, MAX_TEXT_LEN);
        }
        cut(&mut self.cni_json, MAX_ITEM_LEN);
        bound(&mut self.env, |text| written_len(text) + 3);
        bound(&mut self.mounts, |m| {
            let texts = [&m.source, &m.dest, &m.mode, &m.propagation];
            texts.map(|text| written_len(text)).iter().sum::<usize>() + 80
        });
        self.ports.truncate(MAX_PORTS);
        bound_labels(&mut self.labels, max_label_len);
        bound_labels(&mut self.pod_sandbox_labels, max_label_len);
        let probes = [&mut self.healthcheck, &mut self.liveness_probe, &mut self.readiness_probe];
        for Probe { exe, args } in probes.into_iter().flatten() {
            cut(exe, MAX_TEXT_LEN);
            args.truncate(MAX_PROBE_ARGS);
            for arg in args {
                cut(arg, MAX_TEXT_LEN);
            }
        }
        self
    }
}

/// Bytes that JSON takes for a text.
fn written_len(text: &str) -> usize {
    text.chars().map(written_char_len).sum()
}

fn written_char_len(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        '\0'..='\x1f' => 6,
        c => c.len_utf8(),
    }
}

fn cut(text: &mut String, max_len: usize) {
    let mut len = 0;
    let end = text.char_indices().find(|(_, c)| {
        len += written_char_len(*c);
        len > max_len
    });
    if let Some((at, _)) = end {
        text.truncate(at);
    }
}

/// Leaves out what is too long by itself, and all that comes after the list is full.
fn bound<T>(list: &mut Vec<T>, len_of: impl Fn(&T) -> usize) {
    let mut len = 0;
    list.retain(|item| {
        let own = len_of(item);
        len += if own > MAX_ITEM_LEN { 0 } else { own };
        own <= MAX_ITEM_LEN && len <= MAX_LIST_LEN
    });
}

/// Labels that name the pod stay, whatever else there is.
fn bound_labels(labels: &mut BTreeMap<String, String>, max_label_len: usize) {
    let is_of_pod = |key: &str| key.starts_with("io.kubernetes.");
    let mut len = 0;
    let mut fits = |key: &str, value: &str| {
        len += written_len(key) + written_len(value) + 6;
        len <= MAX_LIST_LEN
    };
    labels.retain(|_, value| value.len() <= max_label_len);
    let kept: BTreeMap<String, String> = {
        let (first, rest): (Vec<_>, Vec<_>) =
            std::mem::take(labels).into_iter().partition(|(key, _)| is_of_pod(key));
        first.into_iter().chain(rest).filter(|(key, value)| fits(key, value)).collect()
    };
    *labels = kept;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Kind, Mount, Port};

    fn huge(text: &str) -> Details {
        let list = || vec![text.to_owned(); 200];
        let labels = || (0..200).map(|n| (format!("{n}{text}"), text.to_owned())).collect();
        let probe = || Some(Probe { exe: text.to_owned(), args: list() });
        let mount = Mount {
            source: text.to_owned(),
            dest: text.to_owned(),
            mode: text.to_owned(),
            rdwr: true,
            propagation: text.to_owned(),
        };
        Details {
            id: text.to_owned(),
            name: text.to_owned(),
            image: text.to_owned(),
            image_id: text.to_owned(),
            image_repository: text.to_owned(),
            image_tag: text.to_owned(),
            image_digest: text.to_owned(),
            user: text.to_owned(),
            ip: text.to_owned(),
            cni_json: text.to_owned(),
            pod_sandbox_id: text.to_owned(),
            env: list(),
            mounts: vec![mount; 200],
            ports: vec![
                Port { host_ip: u32::MAX, host_port: u16::MAX, container_port: u16::MAX };
                1000
            ],
            labels: labels(),
            pod_sandbox_labels: labels(),
            healthcheck: probe(),
            liveness_probe: probe(),
            readiness_probe: probe(),
            ..Details::of_id(Kind::Docker, text)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn whatever_a_runtime_says_fits_into_an_event(text in "\\PC{0,40}|\\x00{1,3000}|[\"\\\\a-z]{0,3000}|é{0,2000}") {
            let details = huge(&text).bounded(usize::MAX);
            let len = details.to_json().len();
            prop_assert!(len < 1 << 16, "{len}");
            prop_assert_eq!(&details.clone().bounded(usize::MAX), &details);
        }
    }

    #[test]
    fn long_labels_are_left_out_and_those_of_the_pod_stay() {
        let mut details = Details::default();
        let mut label = |key: &str, value: String| details.labels.insert(key.to_owned(), value);
        label("long", "x".repeat(101));
        label("short", "x".repeat(100));
        label("io.kubernetes.pod.name", "web-0".to_owned());
        for n in 0..200 {
            label(&format!("a{n}"), "x".repeat(100));
        }
        let labels = details.bounded(100).labels;
        assert_eq!(labels.get("io.kubernetes.pod.name").map(|v| &**v), Some("web-0"));
        assert!(!labels.contains_key("long") && labels.len() > 50);
    }
}

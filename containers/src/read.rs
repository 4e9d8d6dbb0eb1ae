//! Reading what runtimes write: values of JSON that may be anything.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Probe;

/// A text, or an empty one.
pub(crate) fn text(of: &Value, key: &str) -> String {
    str_of(of, key).to_owned()
}

pub(crate) fn str_of<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

pub(crate) fn is_set(of: &Value, key: &str) -> bool {
    of[key].as_bool().unwrap_or_default()
}

pub(crate) fn number(of: &Value, key: &str) -> i64 {
    of[key].as_i64().unwrap_or_default()
}

pub(crate) fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of[key].as_array().into_iter().flatten()
}

pub(crate) fn texts(of: &Value, key: &str) -> Vec<String> {
    list(of, key).filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(crate) fn pairs(of: &Value, key: &str) -> BTreeMap<String, String> {
    let pairs = of[key].as_object().into_iter().flatten();
    pairs.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// Nanoseconds since 1970 of a time as RFC 3339 writes it; 0 for none, and for one before.
pub(crate) fn time_ns(text: &str) -> u64 {
    let time = text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_nanosecond);
    time.try_into().unwrap_or_default()
}

pub(crate) fn time_s(text: &str) -> i64 {
    to_s(time_ns(text))
}

pub(crate) fn to_s(ns: u64) -> i64 {
    (ns / 1_000_000_000).try_into().unwrap_or_default()
}

/// How many CPUs a list such as `0-3,7` names.
pub(crate) fn n_cpus(list: &str) -> i64 {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (i64, i64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (0 <= first && first <= last && last < i64::from(u16::MAX)).then_some(last - first + 1)
    };
    list.split(',').filter_map(range).sum()
}

/// A health check as Docker writes it: `["CMD", exe, args..]` or `["CMD-SHELL", line]`.
pub(crate) fn healthcheck(test: &[String]) -> Option<Probe> {
    match test {
        [how, exe, args @ ..] if how == "CMD" => {
            Some(Probe { exe: exe.clone(), args: args.to_vec() })
        }
        [how, line, ..] if how == "CMD-SHELL" => {
            Some(Probe { exe: "/bin/sh".to_owned(), args: vec!["-c".to_owned(), line.clone()] })
        }
        _ => None,
    }
}

/// Liveness and readiness probes of one container of a pod, out of the pod as `kubectl apply` noted it. A name of `None` stands for the first.
pub(crate) fn kubernetes_probes(applied: &str, name: Option<&str>) -> [Option<Probe>; 2] {
    let Ok(pod) = serde_json::from_str::<Value>(applied) else { return [None, None] };
    let mut containers = list(&pod["spec"], "containers");
    let Some(container) = containers.find(|c| name.is_none_or(|n| str_of(c, "name") == n)) else {
        return [None, None];
    };
    ["livenessProbe", "readinessProbe"].map(|probe| {
        let mut command = texts(&container[probe]["exec"], "command").into_iter();
        Some(Probe { exe: command.next()?, args: command.collect() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        for (list, n) in
            [("", 0), ("0", 1), ("0-3,7", 5), ("3-1", 0), ("a-b,2", 1), ("0-99999999999", 0)]
        {
            assert_eq!(n_cpus(list), n, "{list}");
        }
    }

    #[test]
    fn times() {
        for (text, ns) in [
            ("1970-01-01T00:00:01.000000002Z", 1_000_000_002),
            ("1970-01-01T02:00:00+02:00", 0),
            ("0001-01-01T00:00:00Z", 0),
            ("yesterday", 0),
        ] {
            assert_eq!(time_ns(text), ns, "{text}");
        }
    }

    #[test]
    fn probes() {
        let probe = |exe: &str, args: &[&str]| {
            Some(Probe { exe: exe.into(), args: args.iter().map(|a| (*a).to_owned()).collect() })
        };
        let check =
            |test: &[&str]| healthcheck(&test.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&["CMD", "/up", "-q"]), probe("/up", &["-q"]));
        assert_eq!(
            check(&["CMD-SHELL", "up || exit 1"]),
            probe("/bin/sh", &["-c", "up || exit 1"])
        );
        assert_eq!([check(&[]), check(&["NONE"]), check(&["CMD"])], [None, None, None]);
        let pod = r#"{"spec":{"containers":[{"name":"a","livenessProbe":{"exec":{"command":["cat","/ok"]}}},
            {"name":"b","readinessProbe":{"exec":{"command":["true"]}},"livenessProbe":{"httpGet":{"port":1}}}]}}"#;
        assert_eq!(kubernetes_probes(pod, None), [probe("cat", &["/ok"]), None]);
        assert_eq!(kubernetes_probes(pod, Some("b")), [None, probe("true", &[])]);
        assert_eq!(kubernetes_probes(pod, Some("c")), [None, None]);
        assert_eq!(kubernetes_probes("{", None), [None, None]);
    }
}

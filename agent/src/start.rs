//! The block on stderr at the start: what runs, what does not, and what to try.

use std::fmt::Write as _;

/// What the block says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StartBlock {
    /// The configuration's file, or that it is built in.
    pub(crate) config: String,
    /// Kernel and CPUs, or the file that is replayed.
    pub(crate) source: String,
    /// Calls that are captured, and hooks.
    pub(crate) attached: Vec<String>,
    /// Programs that the kernel refused, and why.
    pub(crate) refused: Vec<(String, String)>,
    /// What passes no hook on this kernel.
    pub(crate) not_covered: Vec<String>,
    /// How many rules, and from where.
    pub(crate) rules: String,
    /// What of the rules the kernel decides, live.
    pub(crate) push_down: Option<String>,
    /// Threads, and why so many.
    pub(crate) topology: String,
    /// Where `peregrine stats` asks, if anywhere.
    pub(crate) socket: Option<String>,
    /// Where the web server answers, if there is one.
    pub(crate) web: Option<String>,
    /// Why capabilities are kept that watching does not take.
    pub(crate) kept: Option<String>,
    /// What it may still do, live.
    pub(crate) sandbox: Option<String>,
    /// What else there is to say.
    pub(crate) warnings: Vec<String>,
    /// What the user can do to see an alert.
    pub(crate) to_try: Option<String>,
}

impl StartBlock {
    /// The block, one subject a line.
    pub(crate) fn text(&self) -> String {
        let Self {
            config,
            source,
            attached,
            refused,
            not_covered,
            rules,
            push_down,
            topology,
            socket,
            web,
            kept,
            sandbox,
            warnings,
            to_try,
        } = self;
        let mut text = format!("peregrine {}\n", env!("CARGO_PKG_VERSION"));
        let mut line = |name: &str, value: &str| {
            let _infallible = writeln!(text, "  {name:<12}{value}");
        };
        line("source", source);
        if !attached.is_empty() {
            line(
                "attached",
                &format!("{} calls and hooks: {}", attached.len(), attached.join(" ")),
            );
        }
        for (program, why) in refused {
            line("refused", &format!("{program}: {why}"));
        }
        for what in not_covered {
            line("not covered", what);
        }
        line("rules", rules);
        if let Some(what) = push_down {
            line("push-down", what);
        }
        line("topology", topology);
        line("config", config);
        if let Some(what) = sandbox {
            line("sandbox", what);
        }
        if let Some(web) = web {
            line("web", web);
        }
        if let Some(socket) = socket {
            line("stats", &format!("peregrine stats --socket {socket}"));
        }
        if let Some(why) = kept {
            line("privileges", why);
        }
        for warning in warnings {
            line("warning", warning);
        }
        if let Some(what) = to_try {
            line("try", what);
        }
        text
    }
}

/// `1 shard`, `2 shards`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subject_a_line() {
        let block = StartBlock {
            config: "built in".into(),
            source: "kernel 6.1.0, 2 CPUs".into(),
            attached: vec!["sys_exit".into(), "openat".into()],
            refused: vec![("creat".into(), "too complex".into())],
            not_covered: vec!["io_uring".into()],
            rules: "8 rules from built-in rules".into(),
            push_down: Some("events of 2 types by 3 clauses".into()),
            topology: "1 capture thread".into(),
            socket: Some("/run/p.sock".into()),
            web: Some("http://127.0.0.1:8765/healthz".into()),
            kept: Some("all".into()),
            sandbox: Some("Landlock 7".into()),
            warnings: vec!["w".into()],
            to_try: Some("cat /etc/shadow in another shell".into()),
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            block.text(),
            format!(
                "peregrine {version}\n  source      kernel 6.1.0, 2 CPUs\n  attached    2 calls and hooks: sys_exit openat\n  \
                 refused     creat: too complex\n  not covered io_uring\n  rules       8 rules from built-in rules\n  \
                 push-down   events of 2 types by 3 clauses\n  topology    1 capture thread\n  config      built in\n  sandbox     Landlock 7\n  web         http://127.0.0.1:8765/healthz\n  stats       peregrine stats --socket /run/p.sock\n  \
                 privileges  all\n  warning     w\n  try         cat /etc/shadow in another shell\n"
            )
        );
    }
}

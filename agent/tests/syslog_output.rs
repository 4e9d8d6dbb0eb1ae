//! Alerts to rsyslogd, over each of its doors: every alert is written there as it was raised, and nothing is lost while it is away.
//!
//! rsyslogd runs with a configuration, ports and files of its own, and is ended by its process id.

#[path = "common/alerts.rs"]
mod alerts;
mod common;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use alerts::{Opens, wait_for_count, wait_for_lines, wait_until};
use common::{Ended, Running, alone, can_run_live, skip};
use rustix::process::{Pid, Signal, kill_process};

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

/// Where Debian has rsyslog's modules.
const MODULES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/rsyslog"];

/// Whether rsyslogd with this module is there. As root on Debian it is installed.
fn has_rsyslog(test: &str, module: &str, package: &str) -> bool {
    let is_there = || {
        let has_module = |dir: &&str| Path::new(dir).join(format!("{module}.so")).exists();
        Path::new(RSYSLOGD).exists() && MODULES.iter().any(has_module)
    };
    if !is_there() && rustix::process::geteuid().is_root() {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-qq", "--no-install-recommends", "rsyslog", package]);
        // Its service is not wanted.
        apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        drop(apt.stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
    if !is_there() {
        skip(
            test,
            &format!("there is no rsyslogd with {module}; apt-get install rsyslog {package}"),
        );
    }
    is_there()
}

/// One way into rsyslogd.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Local,
    Udp,
    Tcp,
    /// By this driver of rsyslog.
    Tls(&'static str),
}

struct Rsyslogd {
    child: Option<Running>,
    dir: PathBuf,
    door: Door,
    port: u16,
}

/// Before each text of an alert, what stands in the header.
const TEMPLATE: &str =
    "%syslogfacility-text%.%syslogseverity-text% %app-name% %structured-data% |%msg%\\n";

impl Rsyslogd {
    fn new(dir: &Path, door: Door) -> Self {
        let port = match door {
            Door::Local => 0,
            Door::Udp => {
                UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
            }
            Door::Tcp | Door::Tls(_) => TcpListener::bind("127.0.0.1:0")
                .and_then(|s| s.local_addr())
                .expect("a port")
                .port(),
        };
        let dir = dir.join("rsyslog");
        fs::create_dir(&dir).expect("a directory");
        let at = |name: &str| dir.join(name).display().to_string();
        if let Door::Tls(_) = door {
            certificate(&dir);
        }
        let input = match door {
            Door::Local => format!(
                "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
                 input(type=\"imuxsock\" Socket=\"{}\" CreatePath=\"on\" RateLimit.Interval=\"0\")\n",
                at("log")
            ),
            Door::Udp => format!(
                "module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\")\n"
            ),
            Door::Tcp => format!(
                "module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n"
            ),
            Door::Tls(driver) => format!(
                "global(defaultNetstreamDriverCAFile=\"{cert}\" defaultNetstreamDriverCertFile=\"{cert}\" \
                 defaultNetstreamDriverKeyFile=\"{key}\")\n\
                 module(load=\"imtcp\" streamDriver.name=\"{driver}\" streamDriver.mode=\"1\" \
                 streamDriver.authMode=\"x509/certvalid\")\n\
                 input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n",
                cert = at("cert"),
                key = at("key"),
            ),
        };
        let text = format!(
            "global(workDirectory=\"{dir}\" net.enableDNS=\"off\")\n{input}\
             template(name=\"told\" type=\"string\" string=\"{TEMPLATE}\")\n\
             if $app-name == \"peregrine\" then action(type=\"omfile\" file=\"{out}\" template=\"told\")\n",
            dir = dir.display(),
            out = at("out"),
        );
        fs::write(dir.join("conf"), text).expect("a file");
        let mut new = Self { child: None, dir, door, port };
        new.start();
        new
    }

    fn start(&mut self) {
        let file = fs::File::options().append(true).create(true).open(self.dir.join("said"));
        let said = file.expect("a file");
        let child: Child = Command::new(RSYSLOGD)
            .args(["-n", "-f", "conf", "-i", "pid"])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a descriptor"))
            .stderr(said)
            .spawn()
            .expect("rsyslogd starts");
        self.child = Some(Running(child));
        wait_until(|| {
            let is_there = match self.door {
                Door::Local => self.dir.join("log").exists(),
                // To try would be to take it.
                Door::Udp => fs::read_to_string("/proc/net/udp")
                    .is_ok_and(|text| text.contains(&format!(" 0100007F:{:04X} ", self.port))),
                Door::Tcp | Door::Tls(_) => {
                    std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                }
            };
            let said = || fs::read_to_string(self.dir.join("said")).unwrap_or_default();
            if is_there { Ok(()) } else { Err(format!("rsyslogd does not listen: {}", said())) }
        });
    }

    fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child.0), Signal::TERM).expect("it runs");
        child.0.wait().expect("it is our child");
        if self.door == Door::Local {
            drop(fs::remove_file(self.dir.join("log")));
        }
    }

    fn options(&self) -> Vec<String> {
        let address = match self.door {
            Door::Local => format!("unix://{}/log", self.dir.display()),
            Door::Udp => format!("udp://127.0.0.1:{}", self.port),
            Door::Tcp => format!("tcp://127.0.0.1:{}", self.port),
            Door::Tls(_) => format!("tls://127.0.0.1:{}", self.port),
        };
        let key = |name: &str, value: &str| format!("peregrine.outputs.syslog.{name}={value}");
        let mut all = vec!["syslog_output.enabled=true".to_owned(), key("address", &address)];
        all.extend([key("facility", "local3"), key("retry_longest_ms", "200")]);
        if let Door::Tls(_) = self.door {
            let at = |name: &str| self.dir.join(name).display().to_string();
            all.extend([
                key("tls_ca", &at("cert")),
                key("tls_cert", &at("cert")),
                key("tls_key", &at("key")),
            ]);
        }
        all
    }

    /// Waits until so many alerts are written.
    fn wait_for(&self, n: usize) {
        wait_for_lines(&self.dir.join("out"), n);
    }

    /// What was written, sorted, without the header, which is the same in all.
    fn written(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("out")).unwrap_or_default();
        let data = if self.door == Door::Local {
            "-"
        } else {
            "[peregrine@32473 rule=\"Told: a \\\"name\\\" [x\\]\" priority=\"Notice\"]"
        };
        let head = format!("local3.notice peregrine {data} |");
        let of_line = |line: &str| {
            let text = line.strip_prefix(&head).unwrap_or_else(|| panic!("{line}\n{head}"));
            // What rsyslog leaves before the text is that of its own form.
            text.trim_start_matches([' ', '\u{feff}']).to_owned()
        };
        let mut texts: Vec<String> = text.lines().map(of_line).collect();
        texts.sort();
        texts
    }
}

/// Makes a certificate for this machine, which both ends show, and which signs itself.
fn certificate(dir: &Path) {
    let config = "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\nCN = test\n\
                  [ext]\nbasicConstraints = CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";
    fs::write(dir.join("openssl"), config).expect("a file");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-config", "openssl", "-keyout", "key", "-out", "cert"])
        .current_dir(dir)
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Alerts arrive as they were raised, also those that were while nobody listened.
fn check(door: Door, options: &[&str]) {
    let mut opens = Opens::new();
    let mut rsyslogd = Rsyslogd::new(opens.dir(), door);
    let mut all = rsyslogd.options();
    all.extend(options.iter().map(|&o| o.to_owned()));
    let agent = opens.agent(&all);
    opens.raise(12);
    agent.wait_for_lines(opens.n());
    rsyslogd.wait_for(opens.n());
    // What is sent over UDP while nobody listens is lost by its nature.
    if door != Door::Udp {
        rsyslogd.stop();
        opens.raise(12);
        agent.wait_for_lines(opens.n());
        wait_for_count(&agent, "outputs.syslog.failing", |n| n == 1);
        rsyslogd.start();
        rsyslogd.wait_for(opens.n());
    }
    let ended: Ended = agent.interrupt();
    ended.assert_balanced();
    assert_eq!(ended.alerts().len(), opens.n(), "{}", ended.stdout);
    assert_eq!(rsyslogd.written(), ended.alerts());
    let is_told = |what: &str| ended.stderr.contains(&format!("output syslog: {what}"));
    if door != Door::Udp {
        assert!(is_told("delivers again after "), "{}", ended.stderr);
    }
}

#[test]
fn rsyslogd_writes_what_comes_through_a_local_socket() {
    let test = "rsyslogd_writes_what_comes_through_a_local_socket";
    if can_run_live(test) && has_rsyslog(test, "imuxsock", "rsyslog") {
        let _alone = alone();
        check(Door::Local, &[]);
    }
}

#[test]
fn rsyslogd_writes_what_comes_over_udp() {
    let test = "rsyslogd_writes_what_comes_over_udp";
    if can_run_live(test) && has_rsyslog(test, "imudp", "rsyslog") {
        let _alone = alone();
        check(Door::Udp, &[]);
        check(Door::Udp, &["json_output=true"]);
    }
}

#[test]
fn rsyslogd_writes_what_comes_over_tcp() {
    let test = "rsyslogd_writes_what_comes_over_tcp";
    if can_run_live(test) && has_rsyslog(test, "imtcp", "rsyslog") {
        let _alone = alone();
        check(Door::Tcp, &[]);
        check(Door::Tcp, &["json_output=true"]);
    }
}

#[test]
fn rsyslogd_writes_what_comes_over_tls() {
    let test = "rsyslogd_writes_what_comes_over_tls";
    if !can_run_live(test) {
        return;
    }
    for (driver, module, package) in
        [("gtls", "lmnsd_gtls", "rsyslog-gnutls"), ("ossl", "lmnsd_ossl", "rsyslog-openssl")]
    {
        if has_rsyslog(test, module, package) {
            let _alone = alone();
            check(Door::Tls(driver), &[]);
        }
    }
}

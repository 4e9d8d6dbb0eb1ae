//! nginx as a server of HTTPS that wants a certificate of its clients, on loopback, with certificates made for it. What it is sent stands in its log.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const NGINX: &str = "/usr/sbin/nginx";
const DEADLINE: Duration = Duration::from_secs(20);

/// Whether both programs are there; says so where not.
pub(crate) fn can_serve(test: &str) -> bool {
    let is_there = |program: &str| {
        Command::new(program)
            .arg(if program == NGINX { "-v" } else { "version" })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let missing = [NGINX, "openssl"].into_iter().find(|p| !is_there(p));
    if let Some(program) = missing {
        // Not `eprintln!`: the test harness keeps what that prints by a test that passes.
        drop(writeln!(std::io::stderr(), "skipped: {test}: {program} does not run here"));
    }
    missing.is_none()
}

/// Two authorities; a server's and a client's certificate by the first, a client's by the other.
pub(crate) struct Certs(tempfile::TempDir);

impl Certs {
    pub(crate) fn new() -> Self {
        let certs = Self(tempfile::tempdir().unwrap());
        let config = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = test\n\
            [ca]\nbasicConstraints = critical,CA:TRUE\n\
            [leaf]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost,IP:127.0.0.1\n";
        std::fs::write(certs.path("conf"), config).unwrap();
        for ca in ["ca", "other"] {
            certs.make(ca, "ca", &[]);
        }
        for (leaf, ca) in [("server", "ca"), ("client", "ca"), ("stranger", "other")] {
            let (by, key) = (certs.path(&format!("{ca}.crt")), certs.path(&format!("{ca}.key")));
            certs.make(leaf, "leaf", &["-CA", text(&by), "-CAkey", text(&key)]);
        }
        certs
    }

    /// `NAME.crt`, `NAME.key`
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    fn make(&self, name: &str, extensions: &str, more: &[&str]) {
        let of = |end: &str| self.path(&format!("{name}.{end}"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}"), "-config"])
            .arg(self.path("conf"))
            .args(["-extensions", extensions, "-keyout"])
            .arg(of("key"))
            .arg("-out")
            .arg(of("crt"))
            .args(more)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Where nginx is to listen, and what it noted while it ran.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    pub(crate) port: u16,
}

/// A running nginx.
pub(crate) struct Nginx(Child);

/// A request as nginx got it.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) status: u64,
    pub(crate) content_type: String,
    pub(crate) body: String,
    /// Number of its connection.
    pub(crate) connection: String,
}

impl Place {
    /// Nobody listens there yet.
    pub(crate) fn new(certs: &Certs) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (d, cert) = (dir.path().display(), |name| certs.path(name).display().to_string());
        let (crt, key, ca) = (cert("server.crt"), cert("server.key"), cert("ca.crt"));
        // A body is in the log where it is passed on.
        let config = format!(
            "daemon off; master_process off; pid {d}/pid; error_log {d}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n\
             client_body_temp_path {d}/body; proxy_temp_path {d}/proxy; fastcgi_temp_path {d}/fastcgi;\n\
             uwsgi_temp_path {d}/uwsgi; scgi_temp_path {d}/scgi; client_body_buffer_size 1m;\n\
             log_format posts escape=json '{{\"status\":$status,\"connection\":\"$connection\",\"type\":\"$content_type\",\"body\":\"$request_body\"}}';\n\
             access_log off;\n\
             upstream end {{ server unix:{d}/end.sock; keepalive 4; }}\n\
             server {{ listen unix:{d}/end.sock; keepalive_requests 1000000; location / {{ return 204; }} }}\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {crt}; ssl_certificate_key {key};\n\
             ssl_client_certificate {ca}; ssl_verify_client on;\n\
             location / {{ proxy_pass http://end; proxy_http_version 1.1; proxy_set_header Connection \"\"; access_log {d}/posts posts; }}\n\
             }} }}\n"
        );
        std::fs::write(dir.path().join("conf"), config).unwrap();
        Self { dir, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/alerts", self.port)
    }

    pub(crate) fn start(&self) -> Nginx {
        let socket = self.dir.path().join("end.sock");
        drop(std::fs::remove_file(&socket));
        let child = Command::new(NGINX)
            .arg("-p")
            .arg(self.dir.path())
            .arg("-c")
            .arg(self.dir.path().join("conf"))
            .arg("-e")
            .arg(self.dir.path().join("error.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Nginx(child);
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = nginx.0.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < DEADLINE,
                "nginx: {ended:?}: {}",
                std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        nginx
    }

    /// What came so far, in its order.
    pub(crate) fn posts(&self) -> Vec<Post> {
        let text = std::fs::read_to_string(self.dir.path().join("posts")).unwrap_or_default();
        let post = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let of = |key: &str| line[key].as_str().unwrap().to_owned();
            Post {
                status: line["status"].as_u64().unwrap(),
                content_type: of("type"),
                body: of("body"),
                connection: of("connection"),
            }
        };
        text.lines().map(post).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // One process; both fail where it has ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

//! What is answered to whom.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::json;

use crate::config::WebServer;
use crate::events_command::SCHEMA_VERSION;
use crate::falco_flags::engine_number;
use crate::metrics::{self, WebCounts};

/// A page of metrics answers everybody who asks within this.
const SAME_PAGE_FOR: Duration = Duration::from_secs(1);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// What stands in for a version of what there is none of: nothing that asks for one finds it.
const NONE: &str = "0.0.0";

/// Where the answers come from.
pub(crate) struct Sources {
    /// Looks whether everything gets on; once a second.
    pub(crate) look: Box<dyn Fn() + Send + Sync>,
    /// Why it does not; none where it does.
    pub(crate) trouble: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// All metrics as text.
    pub(crate) metrics: Box<dyn Fn(&WebCounts) -> String + Send + Sync>,
}

/// The answers.
pub(crate) struct Pages {
    healthz: String,
    has_metrics: bool,
    versions: Bytes,
    sources: Sources,
    metrics: Mutex<Option<(Instant, Bytes)>>,
    counts: Mutex<WebCounts>,
}

impl Pages {
    pub(super) fn new(config: &WebServer, sources: Sources) -> Self {
        Self {
            healthz: config.healthz.clone(),
            has_metrics: config.has_metrics,
            versions: versions(),
            sources,
            metrics: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub(super) fn look(&self) {
        (self.sources.look)();
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut WebCounts)) {
        count(&mut lock(&self.counts));
    }

    /// The answer to a request; hyper leaves the body out where HEAD asked.
    pub(super) fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let answer = self.page(method, path);
        let code = answer.status().as_u16();
        self.count(|counts| *counts.answers.entry(code).or_default() += 1);
        answer
    }

    fn page(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let is_metrics = self.has_metrics && path == "/metrics";
        if !is_metrics && path != "/versions" && path != self.healthz {
            return page(StatusCode::NOT_FOUND, TEXT, Bytes::from(self.paths()));
        }
        if method != Method::GET && method != Method::HEAD {
            let text = "GET and HEAD are answered\n";
            let mut answer = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, text.into());
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        if is_metrics {
            page(StatusCode::OK, metrics::CONTENT_TYPE, self.metrics())
        } else if path == self.healthz {
            match (self.sources.trouble)() {
                None => page(StatusCode::OK, JSON, r#"{"status": "ok"}"#.into()),
                Some(why) => {
                    let text = json!({"status": "stalled", "reason": why}).to_string();
                    page(StatusCode::SERVICE_UNAVAILABLE, JSON, text.into())
                }
            }
        } else {
            page(StatusCode::OK, JSON, self.versions.clone())
        }
    }

    fn paths(&self) -> String {
        let metrics = if self.has_metrics { " /metrics" } else { "" };
        format!("there is {} /versions{metrics}\n", self.healthz)
    }

    fn metrics(&self) -> Bytes {
        let mut last = lock(&self.metrics);
        if let Some((made, text)) = &*last
            && made.elapsed() < SAME_PAGE_FOR
        {
            return text.clone();
        }
        let counts = lock(&self.counts).clone();
        let text = Bytes::from((self.sources.metrics)(&counts));
        *last = Some((Instant::now(), text.clone()));
        text
    }
}

/// One thread takes them.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn page(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Falco's keys, and ours.
fn versions() -> Bytes {
    let ours = env!("CARGO_PKG_VERSION");
    let object = json!({
        "default_driver_version": NONE,
        "driver_api_version": NONE,
        "driver_schema_version": SCHEMA_VERSION,
        "engine_version": engine_number(),
        "engine_version_semver": rules::ENGINE_VERSION,
        "falco_version": ours,
        "libs_version": NONE,
        "peregrine_version": ours,
        "plugin_api_version": NONE,
        "plugin_versions": {},
    });
    Bytes::from(object.to_string())
}

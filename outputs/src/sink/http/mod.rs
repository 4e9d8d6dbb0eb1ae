//! Posts alerts over HTTP/1.1, one at a time or several in one request, over one connection that is kept.

mod client;
mod url;

use std::fs::File;
use std::io::Write as _;
use std::str::FromStr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;

use super::tls::{Tls, TlsError};
use super::{Sent, SinkError, Stop, Transport};
use crate::message::{Message, Shared};
use client::{Answer, Client, NoAnswer, Post, Target, printable, resolve};

pub use url::{HttpUrl, UrlError};

const ALERT_ID: HeaderName = HeaderName::from_static("x-peregrine-alert-id");

/// How alerts are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Where to.
    pub url: HttpUrl,
    /// Header `User-Agent`; empty: none.
    pub user_agent: HeaderText,
    /// For `https`.
    pub tls: Tls,
    /// Bodies are sent in gzip.
    pub is_compressed: bool,
    /// TCP looks after an idle connection.
    pub is_probed: bool,
    /// Bodies of answers are printed to standard output.
    pub is_echoed: bool,
    /// A post with its answer takes no longer.
    pub timeout: Duration,
    /// To connect, the handshake of TLS included, takes no longer.
    pub connect_timeout: Duration,
    /// What one post has.
    pub batch: Batch,
    /// After more timeouts in a row an alert is given up; none: never for that.
    pub max_timeouts: Option<u32>,
}

/// How many alerts one post has, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Alerts at most; 1: each by itself, as Falco posts them.
    pub n_alerts: usize,
    /// Bytes of them at most; one that is larger goes alone.
    pub n_bytes: usize,
    /// So long the first of a batch waits for more.
    pub linger: Duration,
    /// Form of several JSON objects.
    pub form: BatchForm,
}

/// How several JSON objects make a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchForm {
    /// A line each.
    Lines,
    /// As a JSON array.
    Array,
}

/// A text that may stand in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(HeaderValue);

impl FromStr for HeaderText {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let is_plain = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        let value = is_plain.then(|| text.parse().ok()).flatten();
        let wrong = || UrlError::new("has a character that no header may have");
        value.map(Self).ok_or_else(wrong)
    }
}

/// Posts messages.
pub(super) struct Http {
    options: HttpOptions,
    client: Client,
    /// Headers that all posts have.
    headers: HeaderMap,
    longest_wait: Duration,
    echo: Option<File>,
    n_timeouts: u32,
    /// So many messages go alone, since they were refused together.
    n_alone: usize,
    /// The files are to be read anew.
    is_stale: bool,
}

impl Http {
    /// `longest_wait` bounds what a server may ask for.
    pub(super) fn new(options: HttpOptions, longest_wait: Duration) -> Result<Self, SinkError> {
        let client = Client::new(target(&options)?, resolve).map_err(SinkError::Network)?;
        let echo = options.is_echoed.then(super::unbuffered_stdout).transpose()?;
        let headers = headers(&options);
        let (n_timeouts, n_alone, is_stale) = (0, 0, false);
        Ok(Self { options, client, headers, longest_wait, echo, n_timeouts, n_alone, is_stale })
    }

    /// A body of messages, and of how many.
    fn body(&self, messages: &[Shared]) -> (Vec<u8>, usize) {
        let Batch { n_alerts, n_bytes, form, .. } = self.options.batch;
        let is_json = messages[0].is_json;
        if n_alerts == 1 {
            return (messages[0].text().into(), 1);
        }
        let (open, between, close) = match form {
            BatchForm::Array if is_json => ("[", ",", "]"),
            _ => ("", "\n", "\n"),
        };
        let mut body = Vec::from(open);
        let most = if self.n_alone > 0 { 1 } else { n_alerts };
        let mut n = 0;
        for message in messages.iter().take(most).take_while(|m| m.is_json == is_json) {
            let text = message.text().as_bytes();
            if n > 0 {
                if body.len() + between.len() + text.len() + close.len() > n_bytes {
                    break;
                }
                body.extend_from_slice(between.as_bytes());
            }
            body.extend_from_slice(text);
            n += 1;
        }
        body.extend_from_slice(close.as_bytes());
        (body, n)
    }

    /// The post of a body that begins with this message.
    fn request(&self, first: &Message, mut body: Vec<u8>) -> Post {
        let Self { options, headers, .. } = self;
        let HttpOptions { url, is_compressed, batch, .. } = options;
        if *is_compressed {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            body = gzip.write_all(&body).and_then(|()| gzip.finish()).expect("memory takes all");
        }
        let is_one = batch.n_alerts == 1;
        let content_type = match batch.form {
            _ if !first.is_json => "text/plain",
            BatchForm::Lines if !is_one => "application/x-ndjson",
            _ => "application/json",
        };
        let mut post = Request::new(Full::from(body));
        *post.method_mut() = Method::POST;
        *post.uri_mut() = url.path.clone();
        let to = post.headers_mut();
        to.clone_from(headers);
        to.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(id) = first.id.filter(|_| is_one) {
            let id = HeaderValue::try_from(id.to_string()).expect("digits and a hyphen");
            to.insert(ALERT_ID, id);
        }
        post
    }

    fn echo(&mut self, answer: &Answer) {
        let Some(stdout) = &mut self.echo else { return };
        let body = String::from_utf8_lossy(&answer.body);
        let plain = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
        let mut text: String = body.trim_end().chars().map(plain).collect();
        if !text.is_empty() {
            text.push('\n');
            // Nobody's loss: the alert was posted.
            drop(stdout.write_all(text.as_bytes()));
        }
    }

    fn failed(&mut self, n: usize, e: &NoAnswer) -> Sent {
        let why = format!("{}: {e}", self.options.url);
        if !matches!(e, NoAnswer::TimedOut) {
            self.n_timeouts = 0;
            return Sent::until_later(0, why);
        }
        self.n_timeouts += 1;
        match self.options.max_timeouts {
            Some(most) if self.n_timeouts > most => {
                let why = format!("{why}, {} times in a row", self.n_timeouts);
                self.n_timeouts = 0;
                Sent { n_delivered: 0, stop: Some(Stop::GaveUp { n, why }) }
            }
            _ => Sent::until_later(0, why),
        }
    }

    /// What the status of an answer means for the messages of the post.
    fn judge(&mut self, n: usize, answer: &Answer) -> Sent {
        let Self { options, longest_wait, n_alone, .. } = self;
        let why = || format!("{}: {}", options.url, answer.said());
        let refused = |why| Sent { n_delivered: 0, stop: Some(Stop::Refused { n, why }) };
        match answer.status.as_u16() {
            200..=299 => Sent { n_delivered: n, stop: None },
            408 | 425 | 429 | 500..=599 => {
                let after = answer.retry_after.map(|wait| wait.min(*longest_wait));
                Sent { n_delivered: 0, stop: Some(Stop::Later { why: why(), after }) }
            }
            // It is about what they say, of one of them maybe, or about their size.
            400 | 413 | 422 if n > 1 => {
                *n_alone = n;
                Sent::default()
            }
            300..=399 => {
                let to = answer.location.as_deref().unwrap_or("nowhere");
                let (status, url) = (answer.status.as_u16(), &options.url);
                refused(format!("{url}: {status}, a redirection to {to}, which is not followed"))
            }
            _ => refused(why()),
        }
    }
}

fn target(options: &HttpOptions) -> Result<Target, TlsError> {
    let HttpOptions { url, tls, is_probed, timeout, connect_timeout, .. } = options;
    let tls = url.tls_name.clone().map(|name| Ok((tls.client(&[b"http/1.1"])?, name)));
    Ok(Target {
        host: url.host.clone(),
        port: url.port,
        tls: tls.transpose()?,
        is_probed: *is_probed,
        timeout: *timeout,
        connect_timeout: *connect_timeout,
    })
}

fn headers(options: &HttpOptions) -> HeaderMap {
    let HttpOptions { url, user_agent: HeaderText(user_agent), is_compressed, .. } = options;
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, url.authority.clone());
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if !user_agent.is_empty() {
        headers.insert(header::USER_AGENT, user_agent.clone());
    }
    if let Some(authorization) = &url.authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    if *is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}

impl Transport for Http {
    fn send(&mut self, messages: &[Shared]) -> Sent {
        if std::mem::take(&mut self.is_stale) {
            self.client.disconnect();
            match target(&self.options) {
                Ok(target) => self.client.target = target,
                // What was read before still holds.
                Err(e) => return Sent::until_later(0, printable(&e.to_string(), 300)),
            }
        }
        let (body, n) = self.body(messages);
        let post = self.request(&messages[0], body);
        let sent = match self.client.post(&post) {
            Ok(answer) => {
                self.n_timeouts = 0;
                self.echo(&answer);
                self.judge(n, &answer)
            }
            Err(e) => self.failed(n, &e),
        };
        self.n_alone = self.n_alone.saturating_sub(sent.n_settled());
        sent
    }

    fn gathers(&self) -> Option<(usize, Duration)> {
        let Batch { n_alerts, linger, .. } = self.options.batch;
        (n_alerts > 1 && !linger.is_zero()).then_some((n_alerts, linger))
    }

    fn skip(&mut self) {
        self.n_alone = self.n_alone.saturating_sub(1);
    }

    fn reopen(&mut self) {
        self.is_stale = true;
    }
}

#[cfg(test)]
mod tests;

//! `http_output`, with its keys below `peregrine.outputs.http`.

use std::time::Duration;

use anyhow::{Result, anyhow};
use outputs::{
    Batch, BatchForm, HttpOptions, Identity, Sink, SinkError, SinkLimits, Tls, TlsPart, Trust,
};

use super::schema::number;
use super::trouble::wrong;
use super::written::{self, HttpSection};

/// `http_output` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpOutput {
    options: HttpOptions,
    pub(crate) limits: SinkLimits,
    /// The key that names whom to trust.
    trust_key: &'static str,
}

impl HttpOutput {
    /// The sink, for which files of TLS are read.
    pub(crate) fn sink(&self) -> Result<Sink> {
        Sink::http(self.options.clone(), self.limits).map_err(|e| match e {
            SinkError::Tls(e) => anyhow!("{}: {e}", self.key(e.part)),
            e => e.into(),
        })
    }

    /// The port of the server.
    pub(crate) fn port(&self) -> u16 {
        self.options.url.port()
    }

    /// The key that names such a file.
    fn key(&self, part: TlsPart) -> &'static str {
        match part {
            TlsPart::Trust => self.trust_key,
            TlsPart::Cert => "http_output.client_cert",
            TlsPart::Key => "http_output.client_key",
        }
    }
}

pub(super) fn resolve(
    keys: written::HttpOutput,
    section: &HttpSection,
    limits: SinkLimits,
) -> Result<HttpOutput> {
    let given = |value: Option<String>| value.filter(|v| !v.is_empty());
    let Some(url) = given(keys.url) else {
        let why = "is true, but http_output.url is not set";
        return Err(wrong("http_output.enabled", why));
    };
    let user_agent = keys.user_agent.unwrap_or_else(|| "falcosecurity/falco".to_owned());
    let file = |value, default: &str| given(value).unwrap_or_else(|| default.to_owned()).into();
    let (trust_key, trust) = match (given(keys.ca_cert), given(keys.ca_bundle)) {
        _ if keys.insecure == Some(true) => ("http_output.insecure", Trust::Anyone),
        (Some(ca), _) => ("http_output.ca_cert", Trust::File(ca.into())),
        (None, Some(ca)) => ("http_output.ca_bundle", Trust::File(ca.into())),
        (None, None) => {
            ("http_output.ca_path", Trust::Folder(file(keys.ca_path, "/etc/ssl/certs")))
        }
    };
    let identity = (keys.mtls == Some(true)).then(|| Identity {
        cert: file(keys.client_cert, "/etc/ssl/certs/client.crt"),
        key: file(keys.client_key, "/etc/ssl/certs/client.key"),
    });
    let number = |key: &str, given| number(&format!("peregrine.outputs.http.{key}"), given);
    let ms = |key: &str, given| number(key, given).map(|n| Duration::from_millis(n as u64));
    let options = HttpOptions {
        url: url.parse().map_err(|e| wrong("http_output.url", format!("{e}")))?,
        user_agent: user_agent
            .parse()
            .map_err(|e| wrong("http_output.user_agent", format!("{e}")))?,
        tls: Tls { trust, identity },
        is_compressed: keys.compress_uploads == Some(true),
        is_probed: keys.keep_alive == Some(true),
        is_echoed: keys.echo == Some(true),
        timeout: ms("timeout_ms", section.timeout_ms)?,
        connect_timeout: ms("connect_timeout_ms", section.connect_timeout_ms)?,
        batch: Batch {
            n_alerts: number("batch_alerts", section.batch_alerts)?,
            n_bytes: number("batch_bytes", section.batch_bytes)?,
            linger: ms("linger_ms", section.linger_ms)?,
            form: match section.batch_format.as_deref() {
                Some("array") => BatchForm::Array,
                _ => BatchForm::Lines,
            },
        },
        max_timeouts: keys.max_consecutive_timeouts.map(|n| n as u32),
    };
    Ok(HttpOutput { options, limits, trust_key })
}

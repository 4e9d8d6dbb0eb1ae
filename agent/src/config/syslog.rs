//! Alerts to syslog: `syslog_output`, and where it goes.

use std::path::PathBuf;

use anyhow::Result;
use outputs::{
    Facility, Identity, Sink, SinkLimits, SyslogAddress, SyslogSettings, Tls, TlsPart, Trust,
};

use super::schema::number;
use super::sinks::ms;
use super::trouble::wrong;
use super::written::SyslogSection;

/// `syslog_output` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyslogOutput {
    pub(crate) settings: SyslogSettings,
    pub(crate) limits: SinkLimits,
}

/// Where authorities are where nothing else is said.
const SYSTEM_CA: &str = "/etc/ssl/certs";

const MAX_APP_NAME: usize = 48;

pub(super) fn settings(section: SyslogSection) -> Result<SyslogSettings> {
    let SyslogSection {
        bounds: _,
        address,
        app_name,
        facility,
        max_bytes,
        timeout_ms,
        tls_ca,
        tls_cert,
        tls_key,
    } = section;
    let key = |name: &str| format!("peregrine.outputs.syslog.{name}");
    let address: SyslogAddress = address
        .as_deref()
        .unwrap_or("unix:///dev/log")
        .parse()
        .map_err(|e: outputs::AddressError| wrong(&key("address"), e.to_string()))?;
    let app_name = app_name.unwrap_or_else(|| "peregrine".to_owned());
    if !(1..=MAX_APP_NAME).contains(&app_name.len())
        || !app_name.bytes().all(|b| b.is_ascii_graphic())
    {
        let why = format!("must be 1 to {MAX_APP_NAME} printable characters of ASCII, no space");
        return Err(wrong(&key("app_name"), why));
    }
    for (name, given) in [("tls_ca", &tls_ca), ("tls_cert", &tls_cert), ("tls_key", &tls_key)] {
        let is_given = given.as_ref().is_some_and(|g| !g.is_empty() && *g != SYSTEM_CA);
        if is_given && !address.is_tls() {
            return Err(wrong(
                &key(name),
                format!("needs an address with tls://, this is {address}"),
            ));
        }
    }
    let given = |path: Option<String>| path.filter(|p| !p.is_empty()).map(PathBuf::from);
    let identity = match (given(tls_cert), given(tls_key)) {
        (Some(cert), Some(key)) => Some(Identity { cert, key }),
        (None, None) => None,
        (Some(_), None) => return Err(wrong(&key("tls_cert"), "is set, but tls_key is not")),
        (None, Some(_)) => return Err(wrong(&key("tls_key"), "is set, but tls_cert is not")),
    };
    let ca = given(tls_ca).unwrap_or_else(|| SYSTEM_CA.into());
    let trust = if ca.is_dir() { Trust::Folder(ca) } else { Trust::File(ca) };
    let facility = Facility::ALL.into_iter().find(|(name, _)| facility.as_deref() == Some(*name));
    Ok(SyslogSettings {
        address,
        // The schema lets no other word through.
        facility: facility.map_or(Facility::User, |(_, facility)| facility),
        app_name,
        hostname: crate::host::hostname(),
        max_bytes: number(&key("max_bytes"), max_bytes)?,
        timeout: ms(&key("timeout_ms"), timeout_ms)?,
        tls: Tls { trust, identity },
    })
}

impl SyslogOutput {
    /// # Errors
    /// A file of TLS cannot be used; it is named with its key.
    pub(crate) fn sink(&self) -> Result<Sink> {
        let Self { settings, limits } = self;
        Sink::syslog(settings.clone(), *limits).map_err(|e| {
            let name = match e.part {
                TlsPart::Trust => "tls_ca",
                TlsPart::Cert => "tls_cert",
                TlsPart::Key => "tls_key",
            };
            wrong(&format!("peregrine.outputs.syslog.{name}"), e.to_string())
        })
    }
}

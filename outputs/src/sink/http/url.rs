//! Where alerts are posted to.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;

use super::client::printable;

/// Characters of what somebody wrote that an error repeats.
const SHOWN: usize = 200;

/// An `http` or `https` address. Its text has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// Name and address of the server for its certificate; none: without TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Value of the header `Host`.
    pub(super) authority: HeaderValue,
    /// Path and query.
    pub(super) path: Uri,
    /// Value of the header `Authorization`, of a name and password before the host.
    pub(super) authorization: Option<HeaderValue>,
}

/// Why a text is not what it should be: an address to post to, or a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

impl UrlError {
    pub(super) fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl HttpUrl {
    /// Whether it is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls_name.is_some()
    }
}

impl HttpUrl {
    /// The port of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let no = UrlError::new;
        if text.is_empty() {
            return Err(no("is empty; it takes the address to post to, https://HOST/PATH"));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            let shown = printable(text, SHOWN);
            return Err(UrlError(format!("has no scheme; https://{shown} or http://{shown}?")));
        };
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => {
                let shown = printable(scheme, SHOWN);
                return Err(UrlError(format!("the scheme {shown:?} is not http or https")));
            }
        };
        let uri: Uri = text.parse().map_err(|e| UrlError(format!("is not an address: {e}")))?;
        let authority = uri.authority().ok_or_else(|| no("has no host"))?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(no("has no host"));
        }
        let port = match place.split_once(authority.host()).map_or("", |(_, rest)| rest) {
            "" if is_tls => 443,
            "" => 80,
            given => {
                let port = given.strip_prefix(':').and_then(|p| p.parse::<u16>().ok());
                port.ok_or_else(|| no("the port is not a number up to 65535"))?
            }
        };
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| {
            let shown = printable(host, SHOWN);
            UrlError(format!("{shown:?} is neither a name nor an address"))
        })?;
        // Of an address without a path, but with a query, the path is a slash all the same.
        let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        let path = Uri::try_from(format!("{}{query}", uri.path()));
        let path = path.map_err(|e| UrlError(format!("is not an address: {e}")))?;
        let header = |text: String| {
            HeaderValue::try_from(text).map_err(|_| no("has a character that no header may have"))
        };
        let basic = |user: &str| {
            let user: Vec<u8> = percent_decode_str(user).collect();
            let mut value = header(format!("Basic {}", BASE64_STANDARD.encode(user)))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            tls_name: is_tls.then_some(name),
            host: host.to_owned(),
            port,
            authority: header(place.to_owned())?,
            path,
            authorization: user.map(basic).transpose()?,
        })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls() { "https" } else { "http" };
        let host = self.authority.to_str().unwrap_or_default();
        write!(f, "{scheme}://{host}{}", self.path)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let of = |text: &str| {
            let HttpUrl { tls_name, host, port, authority, path, authorization } =
                text.parse().unwrap();
            let text = |v: &HeaderValue| v.to_str().unwrap().to_owned();
            let auth = authorization.as_ref().map(text).unwrap_or_default();
            let (is_tls, authority) = (tls_name.is_some(), text(&authority));
            format!("{is_tls} {host} {port} {authority} {path} {auth}")
        };
        assert_eq!(of("http://a.b"), "false a.b 80 a.b / ");
        assert_eq!(of("HTTPS://a:8443/x/y?z=1#part"), "true a 8443 a:8443 /x/y?z=1 ");
        assert_eq!(of("https://[::1]:9/"), "true ::1 9 [::1]:9 / ");
        assert_eq!(
            of("http://u%3a:p%zz@127.0.0.1?q"),
            "false 127.0.0.1 80 127.0.0.1 /?q Basic dTo6cCV6eg=="
        );
    }

    #[test]
    fn what_is_no_address_is_said() {
        let of = |text: &str| text.parse::<HttpUrl>().unwrap_err().to_string();
        assert_eq!(of(""), "is empty; it takes the address to post to, https://HOST/PATH");
        assert_eq!(
            of("localhost:80/x"),
            "has no scheme; https://localhost:80/x or http://localhost:80/x?"
        );
        assert_eq!(of("ftp://a"), "the scheme \"ftp\" is not http or https");
        // Nothing that would steer a terminal, and no more than one can read.
        assert_eq!(of("a\u{8}b"), "has no scheme; https://a\u{fffd}b or http://a\u{fffd}b?");
        assert!(of(&format!("{}://a", "x".repeat(9000))).len() < 300);
        for wrong in
            ["http://", "http:///x", "http://a b/", "http://a:99999/", "http://ä/", "http://a:/\n"]
        {
            assert!(!of(wrong).is_empty(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let url: HttpUrl = "https://me:secret@h/x".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://h/x HttpUrl(https://h/x)");
    }
}

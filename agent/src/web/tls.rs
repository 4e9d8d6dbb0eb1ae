//! Key and certificate of the server: one file in PEM, as Falco has it. rustls with ring, as everywhere.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Error, Result, anyhow};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads the file.
pub(super) fn acceptor(path: &Path) -> Result<TlsAcceptor> {
    let wrong = |why: &dyn Display| -> Error {
        anyhow!(
            "webserver.ssl_certificate: {}: {why}; the file has the key, not encrypted, and the certificate, followed by those between it \
             and its authority, in PEM",
            path.display()
        )
    };
    let pem = std::fs::read(path).map_err(|e| wrong(&e))?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    if chain.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong(&"there is no key in it"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&e))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| wrong(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

//! TLS for sinks that reach over a network: whom they trust, and what they show of themselves. One stack for all of them, rustls with ring.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The bundles of distributions have a quarter of a MiB.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Entries of a folder of certificates that are looked at; distributions have some 400.
const MAX_FOLDER_ENTRIES: usize = 16_384;

/// How a sink speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whose certificates a server may show.
    pub trust: Trust,
    /// What a server that asks is shown.
    pub identity: Option<Identity>,
}

/// Who may have signed a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities in this file, one or more, in PEM.
    File(PathBuf),
    /// Those in the files of this folder. Files without any are passed over.
    Folder(PathBuf),
    /// Anyone: nothing of a certificate is checked, its name neither.
    Anyone,
}

/// A certificate of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// File with the certificate, and those between it and its authority, in PEM.
    pub cert: PathBuf,
    /// File with its key, in PEM, not encrypted.
    pub key: PathBuf,
}

/// A file that TLS cannot be set up with.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct TlsError {
    /// What it was to be.
    pub part: TlsPart,
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    /// [`Tls::trust`]
    Trust,
    /// [`Identity::cert`]
    Cert,
    /// [`Identity::key`]
    Key,
}

impl TlsPart {
    fn error(self, path: &Path, why: &(impl ToString + ?Sized)) -> TlsError {
        TlsError { part: self, path: path.to_owned(), why: why.to_string() }
    }

    fn read(self, path: &Path) -> Result<Vec<u8>, TlsError> {
        read(path).map_err(|e| self.error(path, &e))
    }

    /// The certificates of a file that must have one.
    fn certificates(self, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certs = certificates(&self.read(path)?).map_err(|e| self.error(path, &e))?;
        if certs.is_empty() {
            return Err(self.error(path, "no certificate in it (PEM)"));
        }
        Ok(certs)
    }
}

impl Tls {
    /// Reads the files. `protocols` are offered to the server (ALPN).
    pub(crate) fn client(&self, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3");
        let builder = match &self.trust {
            Trust::Anyone => {
                let unchecked = Arc::new(Unchecked(provider));
                builder.dangerous().with_custom_certificate_verifier(unchecked)
            }
            Trust::File(path) => builder.with_root_certificates(of_file(path)?),
            Trust::Folder(path) => builder.with_root_certificates(of_folder(path)?),
        };
        let mut client = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let (chain, private) = (TlsPart::Cert.certificates(cert)?, private_key(key)?);
                let fits = builder.with_client_auth_cert(chain, private);
                fits.map_err(|e| of_pair(cert, key, &e))?
            }
        };
        client.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Ok(Arc::new(client))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(text).collect()
}

fn of_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for cert in TlsPart::Trust.certificates(path)? {
        // Whoever names a file means all of it.
        store.add(cert).map_err(|e| TlsPart::Trust.error(path, &e))?;
    }
    Ok(store)
}

/// As a rule the folder has each certificate several times: by its name, by its hash, and in the bundle.
fn of_folder(path: &Path) -> Result<RootCertStore, TlsError> {
    let entries = std::fs::read_dir(path).map_err(|e| TlsPart::Trust.error(path, &e))?;
    let mut all = HashSet::new();
    for entry in entries.take(MAX_FOLDER_ENTRIES).flatten() {
        let file = entry.path();
        // Not what opening would wait for, a pipe.
        if file.is_file()
            && let Ok(text) = read(&file)
            && let Ok(certs) = certificates(&text)
        {
            all.extend(certs);
        }
    }
    let mut store = RootCertStore::empty();
    let (n_added, _) = store.add_parsable_certificates(all);
    if n_added == 0 {
        return Err(TlsPart::Trust.error(path, "no file with a certificate in it (PEM)"));
    }
    Ok(store)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = TlsPart::Key.read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|e| {
        let is_encrypted = String::from_utf8_lossy(&text).contains("ENCRYPTED");
        match e {
            _ if is_encrypted => TlsPart::Key.error(path, "the key is encrypted, it must not be"),
            pem::Error::NoItemsFound => TlsPart::Key.error(path, "no private key in it (PEM)"),
            e => TlsPart::Key.error(path, &e),
        }
    })
}

/// Certificate and key, each well by itself.
fn of_pair(cert: &Path, key: &Path, e: &rustls::Error) -> TlsError {
    match e {
        rustls::Error::InconsistentKeys(_) => {
            let why = format!("the key is not that of the certificate in {}", cert.display());
            TlsPart::Key.error(key, &why)
        }
        rustls::Error::InvalidCertificate(_) => TlsPart::Cert.error(cert, e),
        e => TlsPart::Key.error(key, e),
    }
}

/// Takes whatever a server shows.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls13_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_good_are_named_with_what_they_were_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let garbage = put("garbage", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        let wrong = put("wrong", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let (empty, locked) = (put("empty", ""), put("locked", locked));
        let none = dir.path().join("none");
        let file = |path: &PathBuf| Tls { trust: Trust::File(path.clone()), identity: None };
        let shown = |cert: &PathBuf, key: &PathBuf| {
            let identity = Some(Identity { cert: cert.clone(), key: key.clone() });
            Tls { trust: Trust::Anyone, identity }
        };
        let of_folder = Tls { trust: Trust::Folder(dir.path().to_owned()), identity: None };
        let folder = dir.path().to_owned();
        for (tls, part, path, why) in [
            (file(&none), TlsPart::Trust, &none, "No such file or directory (os error 2)"),
            (file(&empty), TlsPart::Trust, &empty, "no certificate in it (PEM)"),
            (file(&garbage), TlsPart::Trust, &garbage, "base64 decode error"),
            (file(&wrong), TlsPart::Trust, &wrong, "invalid peer certificate: BadEncoding"),
            (of_folder, TlsPart::Trust, &folder, "no file with a certificate in it (PEM)"),
            (shown(&none, &empty), TlsPart::Cert, &none, "No such file or directory (os error 2)"),
            (shown(&empty, &empty), TlsPart::Cert, &empty, "no certificate in it (PEM)"),
            (shown(&wrong, &empty), TlsPart::Key, &empty, "no private key in it (PEM)"),
            (shown(&wrong, &locked), TlsPart::Key, &locked, "the key is encrypted, it must not be"),
        ] {
            let e = tls.client(&[]).unwrap_err();
            assert_eq!((e.part, &e.path), (part, path), "{e}");
            assert!(e.why.starts_with(why), "{e}");
        }
    }

    #[test]
    fn a_file_has_a_size_that_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let tls = Tls { trust: Trust::File(file.path().to_owned()), identity: None };
        assert_eq!(tls.client(&[]).unwrap_err().why, "more than 8388608 bytes");
    }
}

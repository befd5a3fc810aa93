//! TLS: certificates that can change while the server runs, and the one configuration of RESP and
//! HTTP that they are used by.

use crate::config::{Config, Loaded, Origin};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Why TLS cannot be.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{origin}: {setting} = {path:?} is refused: {reason}")]
    File {
        /// Where it was set.
        origin: Origin,
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Clients need certificates, or not, from the start on.
    #[error("client certificates are switched on and off only at a start (tls_client_ca)")]
    Clients,
    /// The library refuses.
    #[error("TLS cannot be set up")]
    Library(#[from] Error),
}

/// Certificates as they were read.
#[derive(Debug)]
pub struct Material {
    certificate: Arc<CertifiedKey>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Reads the certificates that the settings name, which come from there; none when they name none.
pub fn load(config: &Config, from: &Loaded) -> Result<Option<Material>, TlsError> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    let wrong = |setting, path: &Path, reason: &dyn std::fmt::Display| TlsError::File {
        origin: from.origin(setting).clone(),
        setting,
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let chain = certificates(cert).map_err(|reason| wrong("tls_cert", cert, &reason))?;
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("tls_key", key, &error))?;
    let certificate = CertifiedKey::from_der(chain, secret, &provider());
    let certificate = certificate.map_err(|error| wrong("tls_key", key, &error))?;
    let clients = match &config.tls_client_ca {
        None => None,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let found = certificates(path);
            for root in found.map_err(|reason| wrong("tls_client_ca", path, &reason))? {
                roots.add(root).map_err(|error| wrong("tls_client_ca", path, &error))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            Some(verifier.map_err(|error| wrong("tls_client_ca", path, &error))?)
        }
    };
    Ok(Some(Material { certificate: Arc::new(certificate), clients }))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = read.collect();
    let chain = chain.map_err(|error| error.to_string())?;
    if chain.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(chain)
}

/// TLS as the server speaks it.
#[derive(Debug)]
pub struct Tls {
    certificate: Arc<Certificate>,
    clients: Option<Arc<Clients>>,
    config: Arc<ServerConfig>,
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

/// Judges the certificates of new clients.
#[derive(Debug)]
struct Clients(RwLock<Arc<dyn ClientCertVerifier>>);

impl Tls {
    /// TLS 1.2 and 1.3 with these certificates. Sessions are not taken up again, so that nobody comes
    /// back with a certificate that is no longer taken.
    pub fn new(material: &Material) -> Result<Arc<Self>, TlsError> {
        let certificate = Arc::new(Certificate(RwLock::new(Arc::clone(&material.certificate))));
        let clients =
            material.clients.clone().map(|clients| Arc::new(Clients(RwLock::new(clients))));
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match clients.clone() {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let shown: Arc<dyn ResolvesServerCert> = Arc::<Certificate>::clone(&certificate);
        let mut config = builder.with_cert_resolver(shown);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(Self { certificate, clients, config: Arc::new(config) }))
    }

    /// New connections are met with these certificates.
    pub fn replace(&self, material: &Material) -> Result<(), TlsError> {
        match (&self.clients, &material.clients) {
            (Some(clients), Some(new)) => {
                *clients.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(new);
            }
            (None, None) => {}
            _ => return Err(TlsError::Clients),
        }
        let mut certificate = self.certificate.0.write().unwrap_or_else(PoisonError::into_inner);
        *certificate = Arc::clone(&material.certificate);
        Ok(())
    }

    /// What the library needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Clients {
    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // They may change, and are a hint only.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.now().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}

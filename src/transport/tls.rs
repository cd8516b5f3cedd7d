//! TLS: whom to trust, and what a failed handshake says.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::connector::{ConnectorError, TransportConfig};
use super::{Failure, Target};

/// Reads the certificates to trust and prepares handshakes.
pub(super) fn client_config(config: &TransportConfig) -> Result<Arc<ClientConfig>, ConnectorError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusted = if config.insecure { None } else { Some(Trusted::new(config, &provider)?) };
    let verifier = Arc::new(Verifier { provider: Arc::clone(&provider), trusted });
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(tls_error)?;
    let mut client = versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    client.alpn_protocols = if config.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(client))
}

pub(super) fn server_name(target: &Target) -> Result<ServerName<'static>, ConnectorError> {
    ServerName::try_from(target.host.clone()).map_err(|error| ConnectorError::Tls(format!("{}: {error}", target.host)))
}

/// What a failed handshake says.
pub(super) fn failure(error: &io::Error) -> Failure {
    let Some(Error::InvalidCertificate(why)) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return Failure::Tls };
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Failure::TlsNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Failure::TlsHostName,
        CertificateError::UnknownIssuer => Failure::TlsAuthority,
        _ if is_authority_as_server(why) => Failure::TlsAuthority,
        _ => Failure::TlsCertificate,
    }
}

/// A server that presents a certificate which says that it is an authority's, as `openssl req -x509` makes them. rustls has no variant for it.
fn is_authority_as_server(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

/// Judges certificates.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None` for `--insecure`: whoever answers is the target.
    trusted: Option<Trusted>,
}

/// The system's authorities and those of `--ca`, and the very certificates that are given there.
#[derive(Debug)]
struct Trusted {
    authorities: Arc<WebPkiServerVerifier>,
    /// The certificates of `--ca`. A server that presents one of them needs no authority.
    given: HashSet<Vec<u8>>,
}

impl Trusted {
    fn new(config: &TransportConfig, provider: &Arc<CryptoProvider>) -> Result<Self, ConnectorError> {
        let mut roots = RootCertStore::empty();
        // A system without certificates is fine if `--ca` names the target's own; otherwise the handshake fails.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let mut given = HashSet::new();
        if let Some(path) = &config.ca {
            let wrong = |why: String| ConnectorError::Certificates { path: path.clone(), why };
            let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in CertificateDer::pem_reader_iter(BufReader::new(file.take(CERTIFICATES_BYTES_MAX))) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                given.insert(certificate.as_ref().to_vec());
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if given.is_empty() {
                return Err(wrong("no PEM certificate found".to_owned()));
            }
        }
        if roots.is_empty() {
            return Err(ConnectorError::Tls("this system trusts no authority: name the target's certificate with --ca".to_owned()));
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        Ok(Self { authorities: authorities.map_err(tls_error)?, given })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let verified = trusted.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match &verified {
            // The times are judged before what a certificate may be used for.
            Err(Error::InvalidCertificate(why)) if is_authority_as_server(why) && trusted.given.contains(end_entity.as_ref()) => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            _ => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn tls_error(error: impl std::fmt::Display) -> ConnectorError {
    ConnectorError::Tls(error.to_string())
}

/// More than all certificates of a system. Such a file may be a device by mistake.
const CERTIFICATES_BYTES_MAX: u64 = 4_000_000;

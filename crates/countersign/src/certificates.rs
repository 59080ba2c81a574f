//! A certificate authority for this machine, and certificates for names on it.
//!
//! The authority is constrained to `localhost` and names below it (RFC 5280 §4.2.1.10): whoever trusts it gives it power
//! over this machine's own names and nothing else. It never signs a wildcard: rustls and Chromium refuse `*.localhost`.

use crate::error::Problem;
use crate::folder;
use model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 3600);
const AUTHORITY_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Certificates are made anew at each start.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// What a server shows, both in PEM.
#[derive(Clone)]
pub struct Certificate {
    pub chain_pem: String,
    pub key_pem: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Certificate")
    }
}

/// The authority of one data folder: `ca.pem` to trust, `ca.key` to keep.
#[derive(Debug)]
pub struct Authority {
    pub certificate_pem: String,
    pub certificate_file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The folder's authority; a new one when there is none, or when it ends within the life of what it would sign.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, Problem> {
        let (certificate_file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
        if !certificate_file.exists() || !key_file.exists() || ends_soon(&certificate_file, now)? {
            let (certificate, key) = new_authority(now).map_err(|error| unusable(&error, folder))?;
            folder::write_private(&key_file, key.as_bytes())?;
            folder::write_private(&certificate_file, certificate.as_bytes())?;
        }
        let certificate_pem = String::from_utf8_lossy(&folder::read(&certificate_file)?).into_owned();
        let key_pem = String::from_utf8_lossy(&folder::read(&key_file)?).into_owned();
        let issuer = KeyPair::from_pem(&key_pem)
            .and_then(|key| Issuer::from_ca_cert_pem(&certificate_pem, key))
            .map_err(|error| unusable(&error, folder).hint("remove ca.pem and ca.key to have them made anew"))?;
        Ok(Self { certificate_pem, certificate_file, issuer })
    }

    /// One certificate for `names`, each `localhost` or below it.
    pub fn issue(&self, names: &[String], now: Timestamp) -> Result<Certificate, Problem> {
        let foreign = names.iter().find(|name| !is_local(name));
        if let Some(name) = foreign {
            return Err(Problem::new(format!(
                "no certificate can be made here for `{name}`: only for localhost and names below it"
            ))
            .hint("give `certificate_file` and `key_file`"));
        }
        let made = (|| {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name = name(names.first().map_or("localhost", String::as_str));
            (params.not_before, params.not_after) = validity(now, CERTIFICATE_LIFE);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.use_authority_key_identifier_extension = true;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok(Certificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
        })();
        made.map_err(|error: rcgen::Error| Problem::caused_by("a certificate could not be made", &error))
    }
}

fn new_authority(now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Countersign on this machine");
    (params.not_before, params.not_after) = validity(now, AUTHORITY_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("localhost".to_owned())],
        excluded_subtrees: [IpAddr::from([0u8; 4]), IpAddr::from([0u8; 16])]
            .map(|any| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(any, 0)))
            .to_vec(),
    });
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// From yesterday, for clocks that lag.
fn validity(now: Timestamp, life: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let at = |time: Timestamp| OffsetDateTime::from_unix_timestamp(time.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (at(now.minus(DAY)), at(now.plus(life)))
}

fn is_local(name: &str) -> bool {
    let labels = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    name == "localhost" || name.strip_suffix(".localhost").is_some_and(|rest| rest.split('.').all(labels))
}

/// The file's age tells: the authority is made and never touched.
fn ends_soon(certificate: &Path, now: Timestamp) -> Result<bool, Problem> {
    let read = |error: std::io::Error| Problem::caused_by("the file cannot be read", &error).at(certificate.display());
    let made = std::fs::metadata(certificate).and_then(|data| data.modified()).map_err(read)?;
    let made = made.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let ends = Timestamp::from_micros(0).plus(made).plus(AUTHORITY_LIFE);
    Ok(now.plus(CERTIFICATE_LIFE) > ends)
}

fn unusable(error: &rcgen::Error, folder: &Path) -> Problem {
    Problem::caused_by("the certificate authority cannot be used", error).at(folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use runtime::client::Client;
    use runtime::{Clock, listen, tls};
    use std::os::unix::fs::PermissionsExt;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_client_that_trusts_the_authority_trusts_its_names_and_no_others() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let authority = Authority::open(folder.path(), clock.now()).unwrap();
        let names = ["localhost".to_owned(), "payroll.localhost".to_owned()];
        let certificate = authority.issue(&names, clock.now()).unwrap();
        let listener = listen::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        let port = listener.addresses()[0].port();
        let tls = tls::server_config(certificate.chain_pem.as_bytes(), certificate.key_pem.as_bytes()).unwrap();
        let shutdown = CancellationToken::new();
        let service = |_, _| async { Response::new(Full::new(Bytes::from_static(b"here"))) };
        let server = tokio::spawn(listen::serve(listener, Some(tls), listen::Limits::default(), service, shutdown.clone()));

        let client = Client::new(Some(authority.certificate_pem.as_bytes())).unwrap();
        let ask = |host: &str| {
            let request = Request::get(format!("https://{host}:{port}/")).body(Bytes::new()).unwrap();
            client.send(request)
        };
        assert_eq!(ask("localhost").await.unwrap().body(), "here");
        assert_eq!(ask("payroll.localhost").await.unwrap().body(), "here");
        ask("mail.localhost").await.unwrap_err();
        ask("127.0.0.1").await.unwrap_err();
        shutdown.cancel();
        server.await.unwrap();
    }

    #[test]
    fn the_authority_is_kept_private_and_the_same_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let first = Authority::open(folder.path(), now).unwrap().certificate_pem;
        assert_eq!(Authority::open(folder.path(), now).unwrap().certificate_pem, first);
        let mode = std::fs::metadata(folder.path().join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let later = now.plus(AUTHORITY_LIFE);
        assert_ne!(Authority::open(folder.path(), later).unwrap().certificate_pem, first);
    }

    #[test]
    fn only_names_of_this_machine_are_signed() {
        let folder = tempfile::tempdir().unwrap();
        let now = Clock::system().now();
        let authority = Authority::open(folder.path(), now).unwrap();
        for name in ["woodgrove.example", "*.localhost", "localhost.example", "notlocalhost", ".localhost", "a b.localhost", ""] {
            assert!(authority.issue(&[name.to_owned()], now).is_err(), "{name}");
        }
        assert!(authority.issue(&["a.b.localhost".to_owned()], now).is_ok());
    }
}

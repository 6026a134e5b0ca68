//! The URL of the provider, and the certificates to trust there.

use std::str::FromStr;

use hyper::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::domain::shared::Invalid;

/// The URL of a provider. Its parameter `sslrootcert` has the meaning that it has in the URL of a store: a file with the
/// certificates to trust.
#[derive(Debug, Clone)]
pub struct ProviderUrl {
    base: String,
    root_certificate: Option<String>,
}

/// Certificates that cannot be trusted, because they cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the file {0}, which PAYMENT_PROVIDER_URL names as sslrootcert, cannot be read")]
pub struct RootCertificateError(String, #[source] Box<dyn std::error::Error + Send + Sync>);

impl ProviderUrl {
    /// Returns the part before the paths of the API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the settings of TLS. Without a file they trust the authorities of the system.
    pub fn tls(&self) -> Result<ClientConfig, RootCertificateError> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.root_certificate {
            add_file(&mut roots, file).map_err(|error| RootCertificateError(file.clone(), error))?;
        } else if self.is_secure() {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }

    fn is_secure(&self) -> bool {
        self.base.starts_with("https:")
    }
}

fn add_file(roots: &mut RootCertStore, file: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("it has no certificates".into()) } else { Ok(()) }
}

impl FromStr for ProviderUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong =
            || Invalid::new("must be a URL such as https://pay.example or https://pay.example?sslrootcert=/ca.pem");
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if !matches!(uri.scheme_str(), Some("http" | "https")) || has_user {
            return Err(wrong());
        }
        let mut url = ProviderUrl { base: uri.to_string().trim_end_matches('/').to_owned(), root_certificate: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name != "sslrootcert" || !url.is_secure() || url.root_certificate.replace(value.into_owned()).is_some() {
                return Err(wrong());
            }
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_or_https_and_may_name_certificates_for_https() {
        for (text, base, root) in [
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090", None),
            ("https://pay.example/v1/", "https://pay.example/v1", None),
            ("https://pay.example/?sslrootcert=/a%20b/ca.pem", "https://pay.example", Some("/a b/ca.pem")),
        ] {
            let url: ProviderUrl = text.parse().unwrap();
            assert_eq!((url.base(), url.root_certificate.as_deref()), (base, root), "{text}");
        }
        for text in [
            "",
            "pay.example",
            "pay.example:443",
            "ftp://pay.example",
            "/pay",
            "https://me:s3cret@pay.example",
            "http://pay.example?sslrootcert=/ca.pem",
            "https://pay.example?sslmode=require",
            "https://pay.example?sslrootcert=/a&sslrootcert=/b",
        ] {
            assert!(text.parse::<ProviderUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url: ProviderUrl = format!("https://pay.example?sslrootcert={}", file.path().display()).parse().unwrap();
        assert!(url.tls().unwrap_err().to_string().contains(file.path().to_str().unwrap()));
    }
}

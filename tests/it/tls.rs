//! TLS towards the stores and the payment provider, with certificates of a private authority.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flashsale::domain::sale::PaymentWindow;
use flashsale::infrastructure::payment::{PaymentSettings, ProviderKey};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::program::refusal_to_serve;
use crate::harness::provider::{PROVIDER_KEY, Provider};
use crate::harness::service::World;
use crate::harness::stores::{Postgres, Redis, empty_database, migrate, service_url};
use crate::harness::until_ok;
use crate::payments::{buy, pay, report};

/// An authority that signs certificates. Its own certificate is a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory is created");
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key is generated");
        let certificate = params.self_signed(&key).expect("it is signed");
        write(&dir.path().join("ca.pem"), &certificate.pem());
        Authority { issuer: Issuer::new(params, key), dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Writes the certificate of a server with this name, and its key.
    fn certify(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key is generated");
        let params = CertificateParams::new([name.to_owned()]).expect("the name is valid");
        let certificate = params.signed_by(&key, &self.issuer).expect("it is signed");
        let path = |kind: &str| self.dir.path().join(format!("{name}.{kind}"));
        write(&path("crt"), &certificate.pem());
        write(&path("key"), &key.serialize_pem());
        (path("crt"), path("key"))
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the file is written");
}

/// Gives PostgreSQL a certificate for this name, and makes it refuse connections without TLS.
async fn secure_postgres(postgres: &mut Postgres, authority: &Authority, name: &str) {
    let (certificate, key) = authority.certify(name);
    let data = postgres.data_dir();
    let owner = fs::metadata(&data).expect("the data exist");
    for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
        let to = data.join(to);
        fs::copy(from, &to).expect("the file is copied");
        fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).expect("the mode is set");
        chown(&to, Some(owner.uid()), Some(owner.gid())).expect("the owner is set");
    }
    let mut connection = until_ok(async || PgConnection::connect(&postgres.server.url()).await).await;
    connection.execute("ALTER SYSTEM SET ssl = on").await.expect("it is altered");
    write(&data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    postgres.server.restart().expect("PostgreSQL starts");
}

/// A Redis with a certificate for this name. Returns its address with TLS.
fn secure_redis(authority: &Authority, name: &str) -> (Redis, String) {
    let (certificate, key) = authority.certify(name);
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.expect("a port is free").port();
    let settings = [
        format!("tls-port {port}"),
        format!("tls-cert-file {}", certificate.display()),
        format!("tls-key-file {}", key.display()),
        "tls-auth-clients no".to_owned(),
    ];
    let redis = Redis::start_with(&settings.each_ref().map(String::as_str));
    let url = redis.service_url();
    let (login, _port) = url.rsplit_once(':').expect("the URL has a port");
    let url = format!("{}:{port}/", login.replacen("redis://", "rediss://", 1));
    (redis, url)
}

fn trusting(url: &str, authority: &Authority) -> String {
    format!("{url}?sslrootcert={}", authority.file().display())
}

fn verifying(url: &str, authority: &Authority) -> String {
    format!("{}&sslmode=verify-full", trusting(url, authority))
}

const NAME: &str = "127.0.0.1";

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_to_a_store_uses_tls_and_checks_its_certificate() {
    let authority = Authority::new();
    let mut postgres = Postgres::start();
    secure_postgres(&mut postgres, &authority, NAME).await;
    let database_url = verifying(&postgres.server.url(), &authority);
    migrate(&database_url).await;
    let mut world = World::over(database_url.clone()).await;
    let (redis, redis_url) = secure_redis(&authority, NAME);
    (world.redis, world.redis_url) = (redis, trusting(&redis_url, &authority));
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2"]).await;
    shop.client.purchase(&code).await.expect(200);
    shop.assert_sound(2).await;
    let sessions = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
                    WHERE application_name = 'flashsale' AND ssl";
    assert!(world.count(sessions).await > 0);
    let plain = postgres.server.url() + "?sslmode=disable";
    assert!(PgConnection::connect(&plain).await.is_err(), "PostgreSQL accepts a connection without TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_whose_certificates_are_not_trusted_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut postgres = Postgres::start();
    secure_postgres(&mut postgres, &authority, NAME).await;
    let database_url = postgres.server.url();
    let (_redis, redis_url) = secure_redis(&authority, NAME);
    let (_other, other_url) = secure_redis(&authority, "another.example");
    let refused = |database: &str, redis: &str, messages: &[&str]| {
        let said = refusal_to_serve(&service_url(database), redis);
        for message in messages {
            assert!(said.contains(message), "{message:?} is missing in {said}");
        }
    };
    let trusted = verifying(&database_url, &authority);
    migrate(&trusted).await;
    let certificate = |store: &str| format!("the certificate of {store} is not trusted");
    let (of_postgres, of_redis) = (certificate("PostgreSQL"), certificate("Redis"));
    refused(&verifying(&database_url, &stranger), &redis_url, &[&of_postgres, "invalid peer certificate"]);
    refused(&(database_url.clone() + "?sslmode=verify-full"), &redis_url, &[&of_postgres]);
    refused(&trusting(&database_url, &authority), &redis_url, &["set `sslmode=verify-full`"]);
    refused(&trusted, &trusting(&redis_url, &stranger), &[&of_redis, "invalid peer certificate"]);
    refused(&trusted, &redis_url, &[&of_redis]);
    refused(&trusted, &trusting(&other_url, &authority), &[&of_redis, "not valid for name"]);
    refused(&trusted, &(redis_url.clone() + "?sslrootcert=/nowhere.pem"), &["/nowhere.pem", "cannot be read"]);
    secure_postgres(&mut postgres, &authority, "another.example").await;
    refused(&trusted, &redis_url, &[&of_postgres, "not valid for name"]);
}

/// Takes TLS, with a certificate for this name, and passes the bytes on to an address. Returns the URL.
async fn tls_before(address: &str, authority: &Authority, name: &str) -> String {
    let (certificate, key) = authority.certify(name);
    let chain =
        CertificateDer::pem_file_iter(certificate).expect("it is PEM").map(|found| found.expect("a certificate"));
    let key = PrivateKeyDer::from_pem_file(key).expect("it is a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain.collect(), key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("they belong together")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("https://{}/", listener.local_addr().expect("a listener has an address"));
    let address = address.to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, address) = (acceptor.clone(), address.clone());
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                let mut outside = TcpStream::connect(address).await.expect("the provider listens");
                let _ended = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_paid_over_tls_only_at_a_provider_whose_certificate_is_trusted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let provider = Provider::start(&empty_database().await, &[]).await;
    let address = provider.program.client.base().trim_start_matches("http://");
    let (right, other) =
        (tls_before(address, &authority, NAME).await, tls_before(address, &authority, "another.example").await);
    let mut world = World::new().await.with(|world| world.settings.payment_window = PaymentWindow::try_from(600).ok());
    let key = ProviderKey::new(PROVIDER_KEY.into()).expect("a key");
    for (item, url, status, charges) in [
        ("1", trusting(&right, &authority), 200, 1),
        ("2", trusting(&right, &stranger), 202, 1),
        ("3", right.clone(), 202, 1),
        ("4", trusting(&other, &authority), 202, 1),
    ] {
        let provider_url = url.parse().expect("a URL");
        world.payment = PaymentSettings { provider: Some((provider_url, key.clone())), ..PaymentSettings::NONE };
        let shop = world.start().await;
        let code = buy(&shop, "ann", &[item]).await;
        pay(&shop, &code, "pm_ok").await.expect(status);
        assert_eq!(report(&provider).await, (charges, 0, 0), "{url}");
        shop.stop().await;
    }
}

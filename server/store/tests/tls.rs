//! A PostgreSQL elsewhere is spoken to by TLS, and only if it is the one that is meant.

use cluster::{Cluster, Sync};
use std::fs;
use std::path::Path;
use std::process::Command;
use store::{Store, StoreConfig};

/// A certificate that signs itself for a host's name, with its key: both in PEM.
fn certificate(folder: &Path, host: &str) -> (String, String) {
    let (certificate, key) = (folder.join(format!("{host}.crt")), folder.join(format!("{host}.key")));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={host}"), "-addext", &format!("subjectAltName=DNS:{host}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    let made = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |path| fs::read_to_string(path).expect("a file of PEM");
    (read(&certificate), read(&key))
}

#[tokio::test]
async fn postgresql_is_spoken_to_by_tls_if_it_is_who_it_says() {
    if std::env::var("ZAIJIA_TEST_POSTGRES").is_err() {
        eprintln!("ZAIJIA_TEST_POSTGRES is not set: not run on PostgreSQL (cargo xtask test sets it)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (own, key) = certificate(folder.path(), "localhost");
    certificate(folder.path(), "stranger");
    let mut postgres = Cluster::start(Sync::Off).expect("PostgreSQL");
    postgres.serve_tls(&own, &key).expect("PostgreSQL with TLS");
    let port = postgres.port();
    let url = |root: &str| {
        let root = folder.path().join(root);
        format!("postgres://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={}", root.display())
    };
    let store = Store::open(&StoreConfig::new(url("localhost.crt"))).await.expect("the one that is meant");
    let mut conn = store.read().await.expect("a connection");
    let sql = "SELECT COUNT(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    assert_eq!(conn.int(sql, &[]).await.expect("a row"), 1);
    drop(conn);
    store.close().await;
    let stranger = Store::open(&StoreConfig::new(url("stranger.crt"))).await;
    assert!(stranger.is_err(), "another's certificate is not believed");
}

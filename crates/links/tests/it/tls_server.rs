//! Certificates that are made, refused and replaced.

use std::fs;
use std::path::Path;

use links::tls_server::{Certificate, Port, self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn make(dir: &Path, name: &str) -> [std::path::PathBuf; 2] {
    let [certificate, key] = ["crt", "key"].map(|ending| dir.join(format!("{name}.{ending}")));
    self_signed(
        vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        &certificate,
        &key,
    )
    .unwrap();
    [certificate, key]
}

/// A client that trusts this certificate alone, and asks once.
async fn ask(port: u16, certificate: &Path) -> Result<String, String> {
    let trusted = reqwest::Certificate::from_pem(&fs::read(certificate).unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([trusted])
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let answer = client.get(format!("https://localhost:{port}/")).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    answer.text().await.map_err(|error| error.to_string())
}

pub async fn serve(mut port: Port) {
    loop {
        let (mut stream, _) = port.accept().await;
        tokio::spawn(async move {
            let mut request = [0; 2_048];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
                .await;
            let _ = stream.shutdown().await;
        });
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_used_and_a_bad_one_is_not() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = make(dir.path(), "used");
    let first = dir.path().join("first.crt");
    fs::copy(&certificate, &first).unwrap();
    let held = Certificate::open(&certificate, &key).unwrap();
    let port = Port::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), held.clone());
    let number = port.local_addr().unwrap().port();
    let serving = tokio::spawn(serve(port));
    // Somebody who connects and says nothing keeps nobody waiting.
    let _silent = tokio::net::TcpStream::connect(("127.0.0.1", number))
        .await
        .unwrap();
    assert_eq!(ask(number, &first).await.as_deref(), Ok("hi"));
    assert!(!held.reload().unwrap());

    fs::write(&certificate, "no certificate, and of another length").unwrap();
    assert!(held.reload().is_err());
    assert!(!held.reload().unwrap(), "said once");
    assert_eq!(ask(number, &first).await.as_deref(), Ok("hi"));

    let [other, other_key] = make(dir.path(), "other");
    fs::write(&certificate, fs::read(&other).unwrap()).unwrap();
    let error = held.reload().unwrap_err().to_string();
    assert!(error.contains("cannot be used"), "the key of another: {error}");
    fs::copy(&other_key, dir.path().join("moved.key")).unwrap();
    fs::rename(dir.path().join("moved.key"), &key).unwrap();
    assert!(held.reload().unwrap());
    assert_eq!(ask(number, &other).await.as_deref(), Ok("hi"));
    assert!(ask(number, &first).await.is_err());
    serving.abort();
}

#[tokio::test]
async fn those_who_say_nothing_keep_nobody_out() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = make(dir.path(), "used");
    let held = Certificate::open(&certificate, &key).unwrap();
    let port = Port::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), held);
    let number = port.local_addr().unwrap().port();
    let serving = tokio::spawn(serve(port));
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(
            tokio::net::TcpStream::connect(("127.0.0.1", number))
                .await
                .unwrap(),
        );
    }
    assert_eq!(ask(number, &certificate).await.as_deref(), Ok("hi"));
    // The eldest made room; nobody had to run out of time for it.
    let mut byte = [0];
    assert!(matches!(silent[0].read(&mut byte).await, Ok(0) | Err(_)));
    let last = silent[63].try_read(&mut byte);
    assert!(
        last.as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "{last:?}"
    );
    serving.abort();
}

#[test]
fn a_key_is_private_whatever_was_there_before() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.new"), "left behind by a crash, open to others").unwrap();
    let [_, key] = make(dir.path(), "a");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_certificate_that_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = make(dir.path(), "a");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let gone = dir.path().join("gone.crt");
    let error = Certificate::open(&gone, &key).unwrap_err().to_string();
    assert!(error.contains("gone.crt"), "{error}");
    assert!(Certificate::open(&key, &key).is_err());
    Certificate::open(&certificate, &key).unwrap();
}

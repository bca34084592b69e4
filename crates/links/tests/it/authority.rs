//! An authority of our own, and what clients that trust it accept.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use links::authority::{Authority, is_due};
use links::tls_server::{Certificate, Port};
use tokio::net::TcpListener;

use crate::tls_server::serve;

const NAMES: [&str; 5] = [
    "*.api.v3.go-e.io",
    "localhost",
    "127.0.0.1",
    "hub.example.org",
    "203.0.113.9",
];

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Clients ask the real clock whether a certificate is valid.
#[allow(clippy::disallowed_methods)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Asks a host that leads to a port here, trusting the authority alone.
async fn ask(port: u16, host: &str, authority: &Path) -> Result<String, String> {
    let trusted = reqwest::Certificate::from_pem(&fs::read(authority).unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([trusted])
        .resolve(host, SocketAddr::from(([127, 0, 0, 1], port)))
        .build()
        .unwrap();
    let answer = client.get(format!("https://{host}:{port}/")).send().await;
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    answer.text().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn clients_that_trust_it_reach_every_charger_by_its_name() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| dir.path().join(name));
    let now = now();
    let authority = Authority::open_or_make(
        dir.path(),
        &names(&["go-e.io", "hub.example.org", "203.0.113.9"]),
        now,
    )
    .unwrap();
    let others = authority.issue(names(&NAMES), now, &certificate, &key).unwrap();
    assert_eq!(others, Vec::<String>::new());
    for private in ["ca.key", "tls.key"] {
        let mode = fs::metadata(dir.path().join(private)).unwrap().permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600,
            "{private}"
        );
    }

    let held = Certificate::open(&certificate, &key).unwrap();
    let port = Port::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), held.clone());
    let number = port.local_addr().unwrap().port();
    let serving = tokio::spawn(serve(port));
    let ca = authority.certificate_file();
    for host in [
        "000001.api.v3.go-e.io",
        "localhost",
        "127.0.0.1",
        "hub.example.org",
    ] {
        assert_eq!(ask(number, host, ca).await.as_deref(), Ok("hi"), "{host}");
    }
    for host in ["api.v3.go-e.io", "a.b.api.v3.go-e.io", "example.org"] {
        assert!(ask(number, host, ca).await.is_err(), "{host}");
    }

    // Opened again it is the same authority: what it signs now is trusted as before.
    let again = Authority::open_or_make(dir.path(), &[], now + Duration::from_secs(86_400)).unwrap();
    again.issue(names(&NAMES), now, &certificate, &key).unwrap();
    assert!(held.reload().unwrap());
    assert_eq!(
        ask(number, "000002.api.v3.go-e.io", ca).await.as_deref(),
        Ok("hi")
    );
    serving.abort();
}

#[tokio::test]
async fn it_signs_for_nobody_else() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| dir.path().join(name));
    let now = now();
    let authority = Authority::open_or_make(dir.path(), &names(&["go-e.io"]), now).unwrap();
    let asked = [
        "localhost",
        "example.org",
        "notgo-e.io",
        "8.8.8.8",
        "192.168.1.5",
        "fd00::1",
        "2001:db8::1",
    ];
    let others = authority.issue(names(&asked), now, &certificate, &key).unwrap();
    assert_eq!(others, ["example.org", "notgo-e.io", "8.8.8.8", "2001:db8::1"]);

    // Somebody with the key who claims more than the authority's own certificate allows is not believed.
    fs::write(dir.path().join("ca.names"), "localhost\nexample.org").unwrap();
    let stolen = Authority::open_or_make(dir.path(), &[], now).unwrap();
    stolen
        .issue(names(&["example.org"]), now, &certificate, &key)
        .unwrap();
    let held = Certificate::open(&certificate, &key).unwrap();
    let port = Port::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), held);
    let number = port.local_addr().unwrap().port();
    let serving = tokio::spawn(serve(port));
    let refused = ask(number, "example.org", stolen.certificate_file())
        .await
        .unwrap_err();
    assert!(refused.contains("NameConstraint"), "{refused}");
    serving.abort();
}

#[test]
fn a_certificate_is_renewed_in_good_time() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = dir.path().join("tls.crt");
    let now = now();
    assert!(is_due(&certificate, now), "there is none");
    fs::write(&certificate, "made just now").unwrap();
    let days = |days: u64| now + Duration::from_secs(days * 86_400);
    assert!(!is_due(&certificate, days(299)));
    assert!(is_due(&certificate, days(301)));
}

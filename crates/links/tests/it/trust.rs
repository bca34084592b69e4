//! HTTPS and SMTP over TLS with certificates of an authority of one's own.
//!
//! Whom to trust is the system's business: a file that `SSL_CERT_FILE` names, or else its own list. So the checks
//! run in this test binary started again with that variable; the test makes authorities and certificates for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use links::Limits;
use links::http::Client;
use links::mail::{Mail, MailError, Mailer, Protection, Relay};
use links::outbound_guard::{Guard, SystemResolver};
use links::tls_server::{Certificate, Port};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use crate::peer::listener;

const CHILD: &str = "OHMSTEAD_LINKS_TRUST_CHILD";
const LONG: Duration = Duration::from_secs(20);

fn run_with_authority(which: &str) {
    let directory = tempfile::tempdir().unwrap();
    issue(directory.path(), "known");
    issue(directory.path(), "unknown");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", which])
        .env(CHILD, directory.path())
        .env("SSL_CERT_FILE", directory.path().join("known-authority.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An authority, and a certificate of it for loopback: `<name>-authority.pem`, `<name>.pem`, `<name>.key`.
fn issue(directory: &Path, name: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{name} authority"));
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    for (file, text) in [
        (format!("{name}-authority.pem"), authority.pem()),
        (format!("{name}.pem"), leaf.pem()),
        (format!("{name}.key"), key.serialize_pem()),
    ] {
        std::fs::write(directory.join(file), text).unwrap();
    }
}

#[test]
fn a_webhook_over_https() {
    run_with_authority("trust::child_that_posts");
}

#[test]
fn mail_over_tls_from_the_first_byte_and_after_starttls() {
    run_with_authority("trust::child_that_mails");
}

fn directory() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Only with the variable, which [`a_webhook_over_https`] sets.
#[tokio::test]
async fn child_that_posts() {
    let Some(directory) = directory() else { return };
    let guard = Arc::new(Guard::new(&["127.0.0.0/8"]).unwrap());
    let limits = Limits {
        connect_timeout: LONG,
        timeout: LONG,
        max_body: 1_000,
    };
    let client = Client::guarded(limits, guard, Arc::new(SystemResolver)).unwrap();
    for (name, expected) in [("known", true), ("unknown", false)] {
        let (listener, address) = listener().await;
        let [certificate, key] = ["pem", "key"].map(|end| directory.join(format!("{name}.{end}")));
        let mut port = Port::new(listener, Certificate::open(&certificate, &key).unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = port.accept().await;
            let mut heard = vec![0; 4_096];
            let count = stream.read(&mut heard).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
            // The other side may have gone already.
            let _ = stream.shutdown().await;
            String::from_utf8_lossy(&heard[..count]).into_owned()
        });
        let request = Request::post(format!("https://{address}/hook"))
            .body(b"{}".to_vec())
            .unwrap();
        let got = client.deliver(request).await;
        if expected {
            assert_eq!(got.map(|delivery| delivery.status.as_u16()), Ok(204), "{name}");
            assert!(server.await.unwrap().starts_with("POST /hook HTTP/1.1"));
        } else {
            let why = got.unwrap_err().to_string();
            assert!(why.contains("certificate"), "{name}: {why}");
            server.abort();
        }
    }
}

/// Only with the variable, which [`mail_over_tls_from_the_first_byte_and_after_starttls`] sets.
#[tokio::test]
async fn child_that_mails() {
    let Some(directory) = directory() else { return };
    for (protection, name, expected) in [
        (Protection::Tls, "known", true),
        (Protection::StartTls, "known", true),
        (Protection::Tls, "unknown", false),
        (Protection::StartTls, "unknown", false),
    ] {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let port = relay(acceptor(&directory, name), protection, heard.clone()).await;
        let mailer = Mailer::new(&Relay {
            host: "127.0.0.1".to_owned(),
            port,
            protection,
            credentials: Some(("hub".to_owned(), "secret".to_owned())),
            from: "Ohmstead <hub@example.org>".to_owned(),
            patience: LONG,
        });
        let sent = mailer
            .unwrap()
            .send(&Mail {
                id: "alarm-1".to_owned(),
                to: "resident@example.org".to_owned(),
                subject: "Grid meter is silent".to_owned(),
                body: "Look at the cable.\n".to_owned(),
                date: std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_769_600),
            })
            .await;
        let heard = heard.lock().unwrap().clone();
        let was_told = |what: &str| heard.iter().any(|line| line.starts_with(what));
        if expected {
            assert_eq!(sent, Ok(()), "{protection:?}: {heard:?}");
            assert!(
                was_told("tls AUTH") && was_told("tls Look at the cable."),
                "{heard:?}"
            );
            assert!(!was_told("clear AUTH") && !was_told("clear MAIL"), "{heard:?}");
        } else {
            assert!(
                matches!(sent, Err(MailError::NotNow(_))),
                "{protection:?}: {sent:?}"
            );
            assert!(!was_told("tls AUTH") && !was_told("clear AUTH"), "{heard:?}");
        }
    }
}

fn acceptor(directory: &Path, name: &str) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(directory.join(format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Takes one mail over. What it hears is noted with `clear` or `tls` before it.
async fn relay(acceptor: TlsAcceptor, protection: Protection, heard: Arc<Mutex<Vec<String>>>) -> u16 {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        match protection {
            Protection::Tls => converse(acceptor.accept(stream).await?, true, "tls", &heard)
                .await
                .map(drop),
            Protection::StartTls | Protection::Nothing => {
                match converse(stream, true, "clear", &heard).await? {
                    Some(stream) => converse(acceptor.accept(stream).await?, false, "tls", &heard)
                        .await
                        .map(drop),
                    None => Ok(()),
                }
            }
        }
    });
    address.port()
}

/// Until the other side leaves, or wants to change to TLS: then the stream comes back.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greets: bool,
    way: &str,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 relay.example ESMTP\r\n").await?;
        stream.flush().await?;
    }
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        heard.lock().unwrap().push(format!("{way} {line}"));
        let answer = match line.as_str() {
            "." if in_data => {
                in_data = false;
                "250 taken"
            }
            _ if in_data => continue,
            "DATA" => {
                in_data = true;
                "354 go on"
            }
            "STARTTLS" => "220 go on",
            "QUIT" => "221 bye",
            _ if line.starts_with("EHLO") && way == "clear" => "250-relay.example\r\n250 STARTTLS",
            _ if line.starts_with("EHLO") => "250-relay.example\r\n250 AUTH PLAIN",
            _ if line.starts_with("AUTH") => "235 come in",
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
        if line == "STARTTLS" {
            return Ok(Some(stream.into_inner()));
        }
    }
}

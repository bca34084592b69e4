//! Mail to a relay of a few lines.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use links::mail::{Mail, MailError, Mailer, Protection, Relay};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::peer::listener;

/// Takes mail over until `refuse_at` is said, and answers that with `refusal`.
async fn relay(refuse_at: &'static str, refusal: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let (listener, address) = listener().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = converse(stream, refuse_at, refusal, &notes).await;
        }
    });
    (address.port(), heard)
}

async fn converse(
    stream: TcpStream,
    refuse_at: &str,
    refusal: &str,
    heard: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 relay.example ESMTP\r\n").await?;
    let mut in_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let answer = match line.as_str() {
            _ if !in_data && line.starts_with(refuse_at) => refusal,
            "." if in_data => {
                in_data = false;
                "250 taken"
            }
            _ if in_data => "",
            "DATA" => {
                in_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ if line.starts_with("EHLO") => "250-relay.example\r\n250 AUTH PLAIN",
            _ if line.starts_with("AUTH") => "235 come in",
            _ => "250 fine",
        };
        heard.lock().unwrap().push(line);
        if !answer.is_empty() {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}

fn mailer(port: u16, protection: Protection) -> Mailer {
    Mailer::new(&Relay {
        host: "127.0.0.1".to_owned(),
        port,
        protection,
        credentials: Some(("hub".to_owned(), "secret".to_owned())),
        from: "Ohmstead <hub@example.org>".to_owned(),
        patience: Duration::from_secs(2),
    })
    .unwrap()
}

fn mail(to: &str) -> Mail {
    Mail {
        id: "alarm-1".to_owned(),
        to: to.to_owned(),
        subject: "Grid meter is silent\r\nBcc: other@example.org".to_owned(),
        body: "Since 10:00.\n.\nLook at the cable.\n".to_owned(),
        date: SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_769_600),
    }
}

#[tokio::test]
async fn a_message_is_handed_over_whole() {
    let (port, heard) = relay("NEVER", "").await;
    let sent = mailer(port, Protection::Nothing)
        .send(&mail("resident@example.org"))
        .await;
    assert_eq!(sent, Ok(()));
    let heard = heard.lock().unwrap();
    for expected in [
        "MAIL FROM:<hub@example.org>",
        "RCPT TO:<resident@example.org>",
        "From: Ohmstead <hub@example.org>",
        "To: resident@example.org",
        "Date: Sat, 22 Nov 2025 00:00:00 +0000",
        "Message-ID: <alarm-1@example.org>",
        "Auto-Submitted: auto-generated",
        // A line that is a dot only does not end the message.
        "..",
        "Look at the cable.",
    ] {
        assert!(heard.iter().any(|line| line == expected), "{expected}: {heard:?}");
    }
    assert!(!heard.iter().any(|line| line.starts_with("Bcc")), "{heard:?}");
}

#[tokio::test]
async fn a_no_is_for_good_or_for_now() {
    for (refuse_at, refusal, for_good) in [
        ("RCPT", "550 no such mailbox", true),
        ("MAIL", "552 too much", true),
        ("RCPT", "451 try again", false),
        ("AUTH", "535 who are you", false),
        ("MAIL", "530 say who you are first", false),
        ("EHLO", "421 closing", false),
    ] {
        let (port, _) = relay(refuse_at, refusal).await;
        let got = mailer(port, Protection::Nothing)
            .send(&mail("resident@example.org"))
            .await;
        assert_eq!(
            matches!(got, Err(MailError::Refused(_))),
            for_good,
            "{refusal}: {got:?}"
        );
        assert_eq!(
            matches!(got, Err(MailError::NotNow(_))),
            !for_good,
            "{refusal}: {got:?}"
        );
    }
}

/// A relay that offers no TLS learns neither the password nor the message.
#[tokio::test]
async fn nothing_is_said_in_clear_where_tls_is_asked_for() {
    let (port, heard) = relay("NEVER", "").await;
    let got = mailer(port, Protection::StartTls)
        .send(&mail("resident@example.org"))
        .await;
    assert!(matches!(got, Err(MailError::NotNow(_))), "{got:?}");
    let heard = heard.lock().unwrap();
    assert!(
        heard
            .iter()
            .all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_is_none_is_refused() {
    let (port, heard) = relay("NEVER", "").await;
    let got = mailer(port, Protection::Nothing)
        .send(&mail("a@example.org\r\nRCPT TO:<b@example.org>"))
        .await;
    assert!(matches!(got, Err(MailError::Refused(_))), "{got:?}");
    assert!(heard.lock().unwrap().is_empty());
}

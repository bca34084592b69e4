//! What leaves us unasked: `[outbound]`, `[mail]`

use std::path::PathBuf;

use links::mail::is_mailbox;
use links::outbound_guard::Guard;
use model::settings::{MailSettings, MailTls, OutboundSettings};

use super::Read;
use super::section::Section;

pub fn outbound(root: &Section<'_, '_>) -> Read<OutboundSettings> {
    let settings = root.table("outbound").map(read_outbound).unwrap_or_default();
    Read::of(settings).given_if(root.has("outbound"), "outbound")
}

pub fn mail(root: &Section<'_, '_>) -> Read<Option<MailSettings>> {
    Read::of(root.table("mail").and_then(read_mail)).given_if(root.has("mail"), "mail")
}

fn read_outbound(section: Section<'_, '_>) -> OutboundSettings {
    let allow = section.texts("allow");
    for entry in &allow {
        if let Err(error) = Guard::new(&[entry]) {
            section.problem("allow", format!("{error} in allow"));
        }
    }
    section.finish();
    OutboundSettings { allow }
}

fn read_mail(section: Section<'_, '_>) -> Option<MailSettings> {
    let host = section.required_text("host", "the name of a mail relay");
    let tls = section
        .parsed("tls", "\"starttls\", \"tls\" or \"none\"", |text| match text {
            "starttls" => Some(MailTls::StartTls),
            "tls" => Some(MailTls::Tls),
            "none" => Some(MailTls::None),
            _ => None,
        })
        .unwrap_or(MailTls::StartTls);
    let port = section.scaled("port", 0, 1..=65_535, "a port, 1 to 65535");
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(tls.usual_port());
    let user = section.text("user");
    let password_file = section.text("password_file").map(PathBuf::from);
    if user.is_some() != password_file.is_some() {
        section.problem("user", "user and password_file are given together or not at all");
    }
    let from = section.required_text("from", "a mailbox, for example \"Ohmstead <hub@example.org>\"");
    let from = from.filter(|from| {
        let fits = is_mailbox(from);
        if !fits {
            section.problem("from", format!("from is \"{from}\", expected a mailbox"));
        }
        fits
    });
    let mail = MailSettings {
        host: host.unwrap_or_default(),
        port,
        tls,
        user,
        password_file,
        from: from.unwrap_or_default(),
    };
    if mail.shows_password() {
        section.problem(
            "tls",
            "tls is \"none\", so the password would travel in clear; expected \"starttls\" or \"tls\"",
        );
    }
    section.finish();
    Some(mail)
}

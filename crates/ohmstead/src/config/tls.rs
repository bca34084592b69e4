//! `[tls]`

use std::path::PathBuf;

use model::settings::TlsSettings;

use super::Read;
use super::section::Section;

pub fn read(root: &Section<'_, '_>) -> Read<TlsSettings> {
    Read::of(root.table("tls").map(read_tls).unwrap_or_default())
}

fn read_tls(section: Section<'_, '_>) -> TlsSettings {
    let settings = TlsSettings {
        listen: section.parsed(
            "listen",
            "an address and a port, for example \"0.0.0.0:8443\"",
            |text| text.parse().ok(),
        ),
        certificate: section.text("certificate").map(PathBuf::from),
        key: section.text("key").map(PathBuf::from),
        insecure_sign_in: section.boolean("insecure_sign_in", false),
    };
    match (&settings.certificate, &settings.key) {
        (Some(_), None) => section.missing("key", "the PEM file of the certificate's key"),
        (None, Some(_)) => section.missing("certificate", "the PEM file of the key's certificate"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    section.finish();
    settings
}

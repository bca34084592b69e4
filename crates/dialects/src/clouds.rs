//! Clouds of vendors that clients have built in, and whose place this program can take in a network.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Cloud {
    /// What a certificate authority of one's own must be allowed to sign for. That is written into the authority
    /// for as long as it lasts, so dialects that are to come stand here as well.
    pub domains: &'static [&'static str],
    /// What stands in the certificate, with one label in place of the star.
    pub certificate: &'static [&'static str],
    /// What must lead here in the name service of a network.
    pub leads: &'static [Lead],
}

/// A name, and all below it.
#[derive(Clone, Copy, Debug)]
pub struct Lead {
    pub domain: &'static str,
    /// A host that one client alone calls, and what is to be put in place of what in it.
    pub host: &'static str,
    pub in_it: &'static str,
}

/// In order of dialects.
pub const CLOUDS: [Cloud; 2] = [
    Cloud {
        domains: &["go-e.io", "go-e.com"],
        certificate: &["*.api.v3.go-e.io", "*.api.v3.go-e.com"],
        leads: &[Lead {
            domain: "api.v3.go-e.io",
            host: "000001.api.v3.go-e.io",
            in_it: "the serial number in place of 000001",
        }],
    },
    // `android.` for apps, `web.` and `api.` for browsers.
    Cloud {
        domains: &["shinemonitor.com", "dessmonitor.com"],
        certificate: &["*.shinemonitor.com", "*.dessmonitor.com"],
        leads: &[
            Lead {
                domain: "shinemonitor.com",
                host: "android.shinemonitor.com",
                in_it: "what the client calls in place of android",
            },
            Lead {
                domain: "dessmonitor.com",
                host: "web.dessmonitor.com",
                in_it: "what the client calls in place of web",
            },
        ],
    },
];

/// All that an authority must be allowed to sign for.
pub fn domains() -> impl Iterator<Item = &'static str> {
    CLOUDS.iter().flat_map(|cloud| cloud.domains).copied()
}

/// All that stands in the certificate.
pub fn certificate() -> impl Iterator<Item = &'static str> {
    CLOUDS.iter().flat_map(|cloud| cloud.certificate).copied()
}

/// All that must lead here.
pub fn leads() -> impl Iterator<Item = &'static Lead> {
    CLOUDS.iter().flat_map(|cloud| cloud.leads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_allowed() {
        for name in certificate() {
            assert!(
                domains().any(|domain| name.ends_with(&format!(".{domain}"))),
                "{name}"
            );
        }
    }

    #[test]
    fn what_leads_here_is_signed() {
        for lead in leads() {
            assert!(lead.host.ends_with(&format!(".{}", lead.domain)), "{lead:?}");
            let of_all = format!("*.{}", lead.domain);
            assert!(certificate().any(|name| name == of_all), "{lead:?}");
        }
    }
}

//! `ohmstead tls init`: certificates for clients whose host name cannot be changed.

use std::path::{Path, PathBuf};

use anyhow::Context;
use dialects::clouds;
use links::authority::Authority;

use super::print;
use crate::{config, listen};

/// Makes the authority if there is none, and a new certificate in any case: a running server takes it into use.
pub fn init(file: Option<&Path>, data: Option<PathBuf>) -> anyhow::Result<()> {
    let config = file.map(config::load).transpose()?;
    let named = config.as_ref().and_then(|config| config.data.clone());
    let data = data
        .or(named)
        .context("no data directory: give --data DIR, or --config FILE with `data` in it")?;
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let is_new = !Authority::is_in(&data);
    let settings = config.map(|config| config.settings);
    let own = listen::own_names(settings.as_ref());
    let authority = listen::issue(&data, &own, listen::now())?;
    let certificate = authority.certificate_file().display();
    print(&if is_new {
        format!("Made an authority, {certificate}, and a certificate signed by it.")
    } else {
        format!("Made a new certificate, signed by {certificate} as before.")
    });
    print(&advice(
        authority.certificate_file(),
        &own,
        settings.is_none_or(|settings| settings.tls.listen.is_none()),
    ));
    Ok(())
}

fn advice(authority: &Path, own: &[String], without_port: bool) -> String {
    let authority = authority.display();
    let address = own
        .iter()
        .find(|name| name.parse::<std::net::IpAddr>().is_ok_and(|ip| !ip.is_loopback()))
        .map_or("the address of this machine", String::as_str);
    let port = if without_port {
        "\n  in the configuration:  [tls]  listen = \"0.0.0.0:443\""
    } else {
        ""
    };
    let leads: String = clouds::leads().map(|lead| lead_to(lead, address)).collect();
    format!(
        "
1. Answer TLS on port 443, the one that such clients call.{port}
2. Let the names of the vendor's cloud lead to this machine, for the clients that shall come here:
{leads}3. Let those clients trust {authority}:
     Debian:            copy it to /usr/local/share/ca-certificates/ohmstead.crt, then update-ca-certificates
     Python:            REQUESTS_CA_BUNDLE={authority} (requests), SSL_CERT_FILE={authority} (others)
     Node.js:           NODE_EXTRA_CA_CERTS={authority}
     Home Assistant:    in a container, mount it and set both of Python's variables
Keep ca.key beside it to yourself. Clients with a free host name need none of this: see docs/dialects/goe.md."
    )
}

/// How a name is led to an address by what people have for it.
fn lead_to(lead: &clouds::Lead, address: &str) -> String {
    let clouds::Lead { domain, host, in_it } = lead;
    format!(
        "     dnsmasq, Pi-hole:  address=/{domain}/{address}
     Unbound:           local-zone: \"{domain}\" redirect
                        local-data: \"{domain} A {address}\"
     one client alone:  {address} {host}   in its hosts file, with {in_it}
"
    )
}

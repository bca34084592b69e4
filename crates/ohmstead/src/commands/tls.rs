//! `ohmstead tls init`: certificates for clients whose host name cannot be changed.

use std::path::{Path, PathBuf};

use anyhow::Context;
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
    format!(
        "
1. Answer TLS on port 443, the one that such clients call.{port}
2. Let the names of the vendor's cloud lead to this machine, for the clients that shall come here:
     dnsmasq, Pi-hole:  address=/api.v3.go-e.io/{address}
     Unbound:           local-zone: \"api.v3.go-e.io\" redirect
                        local-data: \"api.v3.go-e.io A {address}\"
     one client alone:  {address} 000001.api.v3.go-e.io   in its hosts file, with the serial number in place of 000001
3. Let those clients trust {authority}:
     Debian:            copy it to /usr/local/share/ca-certificates/ohmstead.crt, then update-ca-certificates
     Python:            REQUESTS_CA_BUNDLE={authority} (requests), SSL_CERT_FILE={authority} (others)
     Node.js:           NODE_EXTRA_CA_CERTS={authority}
     Home Assistant:    in a container, mount it and set both of Python's variables
Keep ca.key beside it to yourself. Clients with a free host name need none of this: see docs/dialects/goe.md."
    )
}

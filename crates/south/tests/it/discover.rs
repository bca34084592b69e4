//! Chargers are found by what they announce, in a network of their own.

use std::process::Command;
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceInfo};

const INSIDE: &str = "OHMSTEAD_TEST_IN_NAMESPACE";
const NAME: &str = "discover::chargers_that_announce_themselves_are_found";

/// Two ends of a cable: a network with nobody else in it.
const NETWORK: &str = "PATH=$PATH:/usr/sbin:/sbin; ip link add name cable0 type veth peer name cable1 && \
                       ip addr add 192.0.2.1/24 dev cable0 && ip addr add 192.0.2.2/24 dev cable1 && \
                       ip link set cable0 up && ip link set cable1 up";

#[test]
fn chargers_that_announce_themselves_are_found() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "{NETWORK} && exec {} --exact {NAME} --nocapture",
        program.display()
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", &script])
        .env(INSIDE, "1")
        .output()
        .expect("unshare: install Debian's util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn inside() {
    let daemon = ServiceDaemon::new().unwrap();
    let announce = |kind: &str, name: &str, port: u16, texts: &[(&str, &str)]| {
        let host = format!("{name}.local.");
        let service = ServiceInfo::new(kind, name, &host, "192.0.2.1", port, texts).unwrap();
        daemon.register(service).unwrap();
    };
    announce(
        "_http._tcp.local.",
        "go-eCharger_000001",
        80,
        &[
            ("serial", "000001"),
            ("devicefamily", "goecharger"),
            ("devicetype", "go-eCharger_V4"),
            ("friendly_name", "garage"),
        ],
    );
    announce("_http._tcp.local.", "printer", 80, &[("path", "/")]);
    announce(
        "_go-e_controller._tcp.local.",
        "controller",
        8080,
        &[("serial", "900001")],
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = runtime
        .block_on(south::discover::chargers(Duration::from_secs(6)))
        .unwrap();
    let mut seen: Vec<_> = found
        .iter()
        .map(|found| {
            (
                found.serial.as_str(),
                found.url.as_str(),
                found.name.as_str(),
                found.is_controller,
            )
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("000001", "http://192.0.2.1", "garage", false),
            ("900001", "http://192.0.2.1:8080", "controller.local", true),
        ]
    );
    daemon.shutdown().unwrap();
}

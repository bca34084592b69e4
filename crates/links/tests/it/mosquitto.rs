//! A Mosquitto broker for one test, thrown away afterwards. Debian's package has to be installed.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub struct Mosquitto {
    config: PathBuf,
    pub port: u16,
    server: Option<Child>,
    _home: TempDir,
}

impl Mosquitto {
    /// A broker that lets everybody in.
    pub fn start() -> Self {
        Self::with(|_| "allow_anonymous true\n".to_owned())
    }

    /// A broker with further lines of configuration; its files are in the directory.
    pub fn with(lines: impl Fn(&Path) -> String) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("mosquitto.conf");
        let lines = lines(home.path());
        let mut broker = Self {
            config,
            port: 0,
            server: None,
            _home: home,
        };
        // Another process may take a free port before the broker does.
        let started = (0..5).any(|_| {
            broker.port = {
                let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
                listener.local_addr().unwrap().port()
            };
            // Started as root it would give up its rights, and its files with them.
            let user = if is_root() { "user root\n" } else { "" };
            let text = format!("{user}listener {} 127.0.0.1\n{lines}", broker.port);
            std::fs::write(&broker.config, text).unwrap();
            broker.run()
        });
        assert!(started, "the broker does not start");
        broker
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Starts it, on the same port; says whether it answers.
    pub fn run(&mut self) -> bool {
        let server = Command::new(program())
            .arg("-c")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut server = server.expect("mosquitto: install Debian's mosquitto");
        for _ in 0..500 {
            if server.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                self.server = Some(server);
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = server.kill();
        let _ = server.wait();
        false
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Debian has it where only administrators look.
fn program() -> &'static str {
    if Path::new("/usr/sbin/mosquitto").exists() {
        "/usr/sbin/mosquitto"
    } else {
        "mosquitto"
    }
}

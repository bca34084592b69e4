//! A PostgreSQL server for one test, thrown away afterwards. Debian's package has to be installed.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The user of Debian's package; the server refuses to run as root.
const USER: &str = "postgres";

pub struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    settings: Vec<String>,
    server: Option<Child>,
    _home: TempDir,
}

impl Cluster {
    /// A running server with an empty database.
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let programs = programs();
        let directory = home.path().join("cluster");
        make_directory(&directory);
        let mut initdb = as_user(&programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--no-sync",
            "--username=postgres",
            "--encoding=UTF8",
        ]);
        initdb.args(["--locale=C.UTF-8", "--pgdata"]).arg(&directory);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut cluster = Self {
            programs,
            directory,
            port: 0,
            settings: Vec::new(),
            server: None,
            _home: home,
        };
        // Another process may take a free port before the server does.
        let started = (0..5).any(|_| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            cluster.port = listener.local_addr().unwrap().port();
            drop(listener);
            cluster.run()
        });
        assert!(started, "the server does not start");
        cluster
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends the server as a power cut would, and every connection with it.
    pub fn kill(&mut self) {
        self.signal("-QUIT");
        if let Some(mut server) = self.server.take() {
            server.wait().unwrap();
        }
    }

    /// Starts it again, on the same port; says whether it answers.
    pub fn run(&mut self) -> bool {
        let mut server = as_user(&self.programs.join("postgres"));
        server.arg("-D").arg(&self.directory);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("port={}", self.port),
            "shared_buffers=16MB".to_owned(),
            "max_connections=20".to_owned(),
        ]
        .iter()
        .chain(&self.settings)
        {
            server.args(["-c", setting]);
        }
        let server = server
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = self.server.insert(server);
        let port = self.port.to_string();
        for _ in 0..600 {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            let ready = ready
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status()
                .unwrap();
            if ready.success() {
                return true;
            }
            if server.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Starts it again with TLS; certificate and key are PEM.
    #[allow(dead_code, reason = "not every program of tests that has a cluster encrypts")]
    pub fn encrypt(&mut self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.directory.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            if is_root() {
                chown(&path, Some(id("-u")), Some(id("-g"))).unwrap();
            }
        }
        self.settings = vec!["ssl=on".to_owned()];
        self.kill();
        assert!(self.run(), "the server does not start with TLS");
    }

    /// The process of the server; `None` while it is away.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Runs statements with the superuser's rights and gives back what they print.
    pub fn psql(&self, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d", &self.url()]);
        let psql = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut psql = psql.spawn().unwrap();
        psql.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let out = psql.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn signal(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
            assert!(sent.unwrap().success());
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.kill();
        }
    }
}

/// The newest of those installed.
fn programs() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = found.map(|entry| entry.path()).max_by_key(version);
    let newest = newest.filter(|path| version(path).is_some_and(|version| version >= 15));
    newest
        .expect("PostgreSQL 15 or newer is needed for this test: install Debian's `postgresql` (./test does)")
        .join("bin")
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A directory that belongs to the user of the server, in one that may be entered.
pub fn make_directory(path: &Path) {
    std::fs::create_dir(path).unwrap();
    if is_root() {
        chown(path, Some(id("-u")), Some(id("-g"))).unwrap();
        let home = path.parent().unwrap();
        std::fs::set_permissions(home, PermissionsExt::from_mode(0o755)).unwrap();
    }
}

fn id(which: &str) -> u32 {
    let out = Command::new("id").args([which, USER]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
}

/// As root, a command under the user of the package that ends with whoever started it.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        USER,
        "--regid",
        USER,
        "--init-groups",
        "--pdeathsig",
        "QUIT",
        "--",
    ]);
    command.arg(program).current_dir("/");
    command
}

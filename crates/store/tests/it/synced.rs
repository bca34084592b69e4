//! An answer leaves only after the disk has what it promises: seen from outside, in system calls.
//!
//! If commits were not synced, nothing that a process can be asked would show it. So a tracer watches, and the
//! test fails when two answers have no sync between them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use model::time::Timestamp;
use store::{AuditEntry, Store};

use crate::backend::{self, Backend};

const CHILD: &str = "OHMSTEAD_STORE_SYNC_CHILD";
const RECORDS: usize = 20;
const TRACER: &str = "strace is needed for this test: install Debian's `strace` (./test does)";

async fn record(store: &dyn Store, n: usize) {
    let entry = AuditEntry {
        at: Timestamp(0),
        principal: n.to_string(),
        door: String::new(),
        action: String::new(),
        outcome: String::new(),
    };
    store.record(&entry).await.unwrap();
}

#[test]
fn child() {
    let Ok(address) = std::env::var(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = backend::open(&address);
        for n in 0..RECORDS {
            record(&*store, n).await;
            let mut out = std::io::stdout().lock();
            out.write_all(b"ANSWER\n").unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn files_are_synced_before_the_answer() {
    let backend = Backend::files();
    let traces = tempfile::tempdir().unwrap();
    let trace = traces.path().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-e", "trace=fdatasync,fsync,write", "-o"])
        .arg(&trace);
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "synced::child", "--nocapture", "--test-threads=1"]);
    let out = strace.env(CHILD, backend.address()).output().expect(TRACER);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = lines(&trace);
    check(&lines, |line| line.contains("write(1, \"ANSWER"));
}

#[tokio::test]
async fn a_server_syncs_before_the_answer() {
    let backend = Backend::server();
    let Backend::Server(cluster) = &backend else {
        unreachable!("a server was started")
    };
    let traces = tempfile::tempdir().unwrap();
    let trace = traces.path().join("trace");
    let pid = cluster.pid().unwrap().to_string();
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-s",
        "64",
        "-e",
        "trace=fdatasync,fsync,sendto",
        "-p",
        &pid,
        "-o",
    ]);
    let mut strace = strace.arg(&trace).stderr(Stdio::piped()).spawn().expect(TRACER);
    let mut said = String::new();
    let mut errors = BufReader::new(strace.stderr.take().unwrap());
    while !said.contains("attached") {
        assert!(
            errors.read_line(&mut said).unwrap() > 0,
            "the server cannot be traced: {said}"
        );
    }
    let store = backend.open();
    for n in 0..RECORDS {
        record(&*store, n).await;
    }
    drop(store);
    let stopped = Command::new("kill")
        .args(["-INT", &strace.id().to_string()])
        .status();
    assert!(stopped.unwrap().success());
    strace.wait().unwrap();

    let lines = lines(&trace);
    let commits: Vec<&String> = lines.iter().filter(|line| is_commit(line)).collect();
    let process = |line: &str| line.split(' ').next().map(str::to_owned);
    let of = |line: &String| {
        commits
            .iter()
            .filter(|other| process(other) == process(line))
            .count()
    };
    let writer = commits
        .iter()
        .max_by_key(|line| of(line))
        .and_then(|line| process(line));
    check(&lines, |line| is_commit(line) && process(line) == writer);
}

fn is_commit(line: &str) -> bool {
    line.contains("sendto(") && line.contains("COMMIT")
}

fn lines(trace: &Path) -> Vec<String> {
    std::fs::read_to_string(trace)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Between any two answers a sync has come back.
fn check(trace: &[String], is_answer: impl Fn(&str) -> bool) {
    let (mut answers, mut syncs) = (0, 0);
    for line in trace {
        let is_sync = line.contains("sync(") || line.contains("sync resumed");
        if is_sync && line.ends_with("= 0") {
            syncs += 1;
        } else if is_answer(line) {
            assert!(syncs > 0, "answer {answers} left before a sync");
            (answers, syncs) = (answers + 1, 0);
        }
    }
    assert!(answers >= RECORDS, "{answers} answers in {} lines", trace.len());
}

//! Clocks and counters of this process.

use std::time::Instant;

pub fn print(name: &str, value: f64) {
    println!("{name} {value:.4}");
}

/// Milliseconds of the median of some runs, after one that warms up.
pub async fn median(run: impl AsyncFn()) -> f64 {
    run().await;
    let mut times = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        run().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

pub fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

/// Processor time of this process, from the scheduler's nanoseconds of all its threads.
pub fn cpu_s() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

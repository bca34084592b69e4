//! Client and simulated charger wired together in memory, transcripts of real devices, and a virtual charger.

mod charger;
mod foreign;
mod golden;
mod links;
mod pair;
mod setpoints;
mod shown;
mod ways;

use model::time::{Monotonic, Now, Timestamp};

/// A moment of the test day.
pub fn at(ms: i64) -> Now {
    Now {
        wall: Timestamp(1_750_000_000_000 + ms),
        monotonic: Monotonic(ms),
    }
}

/// A GET as it arrives at a charger.
pub fn get(path: &str) -> http::Request<Vec<u8>> {
    http::Request::builder().uri(path).body(Vec::new()).unwrap()
}

/// The text of a file below `testdata/goe`.
pub fn testdata(name: &str) -> String {
    std::fs::read_to_string(format!("{}/testdata/goe/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub fn body(response: &http::Response<Vec<u8>>) -> serde_json::Value {
    serde_json::from_slice(response.body()).unwrap()
}

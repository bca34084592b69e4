#!/usr/bin/env bash
# Feeds one reader of strangers' bytes with whatever libFuzzer comes up with, beginning with its seeds and what it found
# before. Fails at the first input that panics, and keeps it in fuzz/artifacts/.
#   scripts/fuzz.sh TARGET [SECONDS]     query, document, ws_frame, mqtt_packet, target,
#                                        shine_query, eybond_frame or supervision; 600 seconds
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
target=${1:?usage: scripts/fuzz.sh TARGET [SECONDS]} seconds=${2:-600}
host=$(rustc -vV | sed -n 's/^host: //p')
cover=-Cllvm-args=-sanitizer-coverage
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module $cover-level=4 $cover-inline-8bit-counters \
$cover-pc-table $cover-trace-compares" cargo build --release --locked --target "$host" --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
exec "target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -max_len=20000 -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/" "corpus/$target" "seeds/$target"

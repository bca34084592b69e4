import { execFileSync } from "node:child_process";
import { row } from "../harness.mjs";

/** `control::step` by criterion: mean nanoseconds of a whole step, by number of EVSEs. */
export function control() {
  const out = execFileSync("cargo", ["bench", "--quiet", "--package", "control", "--bench", "step"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 24,
  });
  const ns = { ns: 1, "µs": 1e3, us: 1e3, ms: 1e6, s: 1e9 };
  // The name stands alone on its line or in front of the figures.
  const pattern = /([\w/ ]*?(\d+))\s+time:\s+\[\S+ \S+ (\S+) (\S+) \S+ \S+\]/g;
  for (const [, , count, value, unit] of out.matchAll(pattern)) {
    const whole = Number(value) * ns[unit];
    const each = whole / Number(count) / 1e3;
    const limit = { 2: null, 100: 1.5, 1000: 2.4, 10000: 5.4 }[count];
    row(
      `control::step, ${count} EVSEs`,
      `${(whole / 1e3).toFixed(1)} us, ${each.toFixed(2)} us each`,
      limit ? `${(each / limit).toFixed(2)} x the limit of ${limit} us each` : "",
      "cargo bench -p control --bench step",
    );
  }
}

import { execFileSync } from "node:child_process";
import { row } from "../harness.mjs";

/** By criterion, by number of EVSEs: mean nanoseconds of a whole step, and of admission, filling and hand back alone. */
export function control() {
  const out = execFileSync("cargo", ["bench", "--quiet", "--package", "control", "--bench", "step"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 24,
  });
  const ns = { ns: 1, "µs": 1e3, us: 1e3, ms: 1e6, s: 1e9 };
  // The name stands alone on its line or in front of the figures.
  const pattern = /(step|allocate)\/(\d+)\s+time:\s+\[\S+ \S+ (\S+) (\S+) \S+ \S+\]/g;
  const limits = {
    step: { 2: null, 100: 1.5, 1000: 2.4, 10000: 5.4 },
    allocate: { 2: null, 100: 0.5, 1000: 0.8, 10000: 1.8 },
  };
  const names = { step: "control::step", allocate: "stages 1 to 3 of it" };
  for (const [, name, count, value, unit] of out.matchAll(pattern)) {
    const whole = Number(value) * ns[unit];
    const each = whole / Number(count) / 1e3;
    const limit = limits[name][count];
    row(
      `${names[name]}, ${count} EVSEs`,
      `${(whole / 1e3).toFixed(1)} us, ${each.toFixed(2)} us each`,
      limit ? `${(each / limit).toFixed(2)} x the limit of ${limit} us each` : "",
      "cargo bench -p control --bench step",
    );
  }
}

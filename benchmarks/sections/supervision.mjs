import { execFileSync } from "node:child_process";
import { BIN, example, full, limited, round, row } from "../harness.mjs";

/** What the load generator prints. */
const figures = (program, ...args) => JSON.parse(execFileSync(program, [BIN, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));

/** What the program itself takes for one sample, whatever else runs. */
const each = (cores, perSecond) => `${round((cores / perSecond) * 1e6)} µs of processor for each`;

/** Signed samples, durable before they are answered; the generator runs on the same processors. */
export function supervision() {
  const program = example("ohmstead", "supervision_load");
  for (const [name, where] of [["files", "embedded"], ["PostgreSQL", "server"]]) {
    const f = figures(program, where);
    const how = `supervision_load ${where}`;
    const what = `supervision in ${name}:`;
    const list = `${how}, 64 connections, ${each(f.list_cores, f.list_samples_per_s)}`;
    limited(`${what} samples in lists of 12`, f.list_samples_per_s, 40_000, "samples/s", list, "least");
    const single = `${how}, 128 connections, ${each(f.single_cores, f.single_per_s)}`;
    limited(`${what} samples one by one`, f.single_per_s, 6_000, "samples/s", single, "least");
    limited(`${what} a list at 20,000/s, 99 of 100`, f.list_half_p99_ms, 50, "ms", `${how}, median ${round(f.list_half_median_ms)} ms at ${round(f.list_half_per_s)}/s`);
    limited(`${what} a sample at 3,000/s, 99 of 100`, f.single_half_p99_ms, 50, "ms", `${how}, median ${round(f.single_half_median_ms)} ms at ${round(f.single_half_per_s)}/s`);
    if (f.copy_rows_per_s) {
      const share = `${((f.list_samples_per_s / f.copy_rows_per_s) * 100).toFixed(0)} %`;
      row(`${what} share of binary COPY`, share, `COPY of the same samples as rows, by the server from a file: ${round(f.copy_rows_per_s)} rows/s`, how);
    }
  }
  ports(program, full ? 1_700_000 : 200_000);
}

/** What very many ports cost that are registered and have reported once. */
function ports(program, count) {
  const f = figures(program, "ports", String(count));
  const how = `supervision_load ports ${count}, registered over the wire at ${round(f.registered_per_s)}/s, 128 connections`;
  row(`${count.toLocaleString("en")} ports: memory`, `${round(f.reported_mb)} MB`, `${round(f.bytes_each)} B each, ${round(f.empty_mb)} MB without them`, how);
  limited(`${count.toLocaleString("en")} ports: longest page of 100`, f.page_most_ms, 200, "ms", how);
  limited(`${count.toLocaleString("en")} ports: longest page of the authority`, f.native_page_most_ms, 200, "ms", how);
}

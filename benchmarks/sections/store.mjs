import { execFileSync } from "node:child_process";
import { createReadStream, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { dir, example, full, limited, median, round, row, sleep, start, stop, until } from "../harness.mjs";

/** Days of the import, days of it in PostgreSQL, devices of which peers get a day. */
const [days, serverDays, peerDevices] = full ? [30, 3, 50] : [2, 1, 5];

let built;
const program = () => (built ??= example("store", "history_figures"));

/** What the example of the store prints, by name. */
function storeFigures(...args) {
  const out = execFileSync(program(), args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return Object.fromEntries(out.trim().split("\n").map((line) => line.split(" ")).map(([name, value]) => [name, Number(value)]));
}

/** The embedded history: an import, queries, live writing. */
export function history() {
  const command = `history_figures embedded, ${days} days`;
  const f = storeFigures("embedded", join(dir, "history"), String(days));
  const most = (what, value, limit, unit) => limited(`history: ${what}`, value, limit, unit, command);
  limited("history: import with rollups", f.import_readings_per_s / 1e6, 10, "M readings/s", command, "least");
  most("on disk, rollups included", f.import_bytes_per_reading, 0.6, "B per reading");
  most("peak memory of the import", f.import_peak_mib, 150, "MiB");
  most("last value of 600 series", f.latest_ms, 0.1, "ms");
  most("a day of one series, raw", f.raw_day_ms, 2, "ms");
  most("30 days of quarter-hours", f.quarters_ms, 0.5, "ms");
  most("a day in 1,000 columns", f.chart_day_ms, 5, "ms");
  most("a year of daily energies", f.year_ms, 0.1, "ms");
  row("history: the same, the first time", `${round(f.year_first_ms)} ms`, "made of 35,000 quarter-hours, then kept", command);
  most("a year of daily energies of 50 devices", f.year_50_ms, 2, "ms");
  most("600 series at 1 Hz, share of a core", f.live_core_percent, 1, "%");
  most("longest wait of who brings readings", f.live_append_most_ms, 20, "ms");
  most("longest write of 1,350", f.live_pause_most_ms, 20, "ms");
  row("history: write, median and 99 of 100", `${round(f.live_pause_median_ms)} ms, ${round(f.live_pause_p99_ms)} ms`, "", command);
}

/** The same blocks in PostgreSQL, beside rows copied into the same server. */
export function server() {
  const command = `history_figures server, ${serverDays} days, PostgreSQL of Debian`;
  const f = storeFigures("server", String(serverDays));
  limited("history in PostgreSQL: import", f.server_readings_per_s / 1e6, 8, "M readings/s", command, "least");
  limited("history in PostgreSQL: on disk", f.server_bytes_per_reading, 0.6, "B per reading", command);
  const share = (f.server_readings_per_s / f.copy_rows_per_s).toFixed(1);
  row("history in PostgreSQL: beside binary COPY", `${share} x`, `COPY of the same readings as rows: ${round(f.copy_rows_per_s / 1e6)} M rows/s, ${round(f.copy_bytes_per_row)} B each`, command);
  row("history in PostgreSQL: a day raw, in quarters", `${round(f.server_raw_ms)} ms, ${round(f.server_quarters_ms)} ms`, "", command);
}

/** Records that are synced before they are acknowledged. */
export function records() {
  for (const [name, where] of [["files", join(dir, "records")], ["PostgreSQL", "server"]]) {
    const command = `history_figures records, ${name}`;
    const f = storeFigures("records", where);
    limited(`durable records in ${name}: 1,000 writers`, f.records_per_s, 20000, "per s", command, "least");
    limited(`durable records in ${name}: 5,000 per s, 99 of 100`, f.records_open_p99_ms, 50, "ms", command);
    row(`durable records in ${name}: the same, median and most`, `${round(f.records_open_median_ms)} ms, ${round(f.records_open_most_ms)} ms`, `a sync of this disk: median ${round(f.sync_median_ms)} ms, 99 of 100 ${round(f.sync_p99_ms)} ms`, command);
  }
}

const kilobytes = (path) => Number(execFileSync("du", ["-sk", path], { encoding: "utf8" }).split(/\s/)[0]);

/** A day of some devices beside plain rows in SQLite and beside VictoriaMetrics. */
export async function peers() {
  const command = `history_figures day, ${peerDevices} devices of 12 series at 1 Hz`;
  const f = storeFigures("day", join(dir, "day"), String(peerDevices));
  const count = peerDevices * 12 * 86400;

  const port = 40000 + (process.pid % 20000);
  const data = join(dir, "victoria");
  const url = `http://127.0.0.1:${port}`;
  const flags = [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, "-retentionPeriod=100y", "-search.maxPointsPerTimeseries=100000"];
  const victoria = start("victoria-metrics", flags);
  await until("victoria-metrics answers", async () => (await fetch(`${url}/health`)).ok);
  const lines = join(dir, "lines");
  execFileSync("sh", ["-c", `${program()} lines ${peerDevices} > ${lines}`]);
  const begun = performance.now();
  const body = Readable.toWeb(createReadStream(lines));
  const reply = await fetch(`${url}/api/v1/import`, { method: "POST", body, duplex: "half" });
  if (!reply.ok) throw new Error(`VictoriaMetrics refuses the import: ${await reply.text()}`);
  const took = (performance.now() - begun) / 1e3;
  rmSync(lines);
  await fetch(`${url}/internal/force_flush`);
  await fetch(`${url}/internal/force_merge`);
  await sleep(5000);
  const query = `${url}/api/v1/export?match[]=${encodeURIComponent(`power{device="d${peerDevices - 1}"}`)}`;
  const times = [];
  for (let n = 0; n < 11; n++) {
    const before = performance.now();
    const text = await (await fetch(query)).text();
    times.push(performance.now() - before);
    const found = text.trim().split("\n").reduce((sum, line) => sum + JSON.parse(line).values.length, 0);
    if (found !== 86400) throw new Error(`VictoriaMetrics has ${found} readings of a day`);
  }
  await stop(victoria);
  const bytes = (kilobytes(join(data, "data")) * 1024) / count;
  const ours = f.day_bytes_per_reading;
  row("a day beside peers: bytes per reading", round(ours), `SQLite rows ${round(f.rows_bytes_per_reading)}, VictoriaMetrics ${round(bytes)} (no rollups)`, command);
  row("a day beside peers: one series, raw", `${round(f.day_raw_ms)} ms`, `SQLite rows ${round(f.rows_raw_ms)} ms, VictoriaMetrics ${round(median(times))} ms (as JSON over HTTP)`, command);
  row("a day beside peers: M readings/s in", round(f.day_readings_per_s / 1e6), `SQLite rows ${round(f.rows_readings_per_s / 1e6)}, VictoriaMetrics ${round(count / took / 1e6)} (as JSON over HTTP)`, command);
}

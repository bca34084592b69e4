// Figures beside a peer or a limit, taken in the same run. Prints ratios; writes benchmarks/results.md, where
// sections that were not asked for stay as they are. Started by ./bench, which builds and installs what this needs.

import { execFileSync, spawn } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

const BIN = "target/release/ohmstead";
const STORE_FIGURES = "target/release/examples/history_figures";
const GOE_FLEET = "target/release/examples/goe_fleet";
const RESULTS = "benchmarks/results.md";
const ROUNDS = 5;
const SECONDS = 4;
const dir = mkdtempSync(join(tmpdir(), "ohmstead-bench-"));
const children = [];
const rows = [];

// ./bench [--full] [SECTION...]: without a section, all of them.
const full = process.argv.includes("--full");
const asked = process.argv.slice(2).filter((argument) => argument !== "--full");
/** Days of the import, days of it in PostgreSQL, devices of which peers get a day. */
const [days, serverDays, peerDevices] = full ? [30, 3, 50] : [2, 1, 5];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

function row(what, figure, beside, command) {
  rows.push({ what, figure, beside, command });
  console.log(`${what.padEnd(46)} ${figure.padEnd(26)} ${beside}`);
}

function start(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  child.lines = createInterface({ input: child.stdout });
  children.push(child);
  return child;
}

/** Resolves with the first `count` lines that contain a text. */
function linesWith(child, text, count = 1) {
  const found = [];
  return new Promise((done, fail) => {
    child.lines.on("line", (line) => {
      if (line.includes(text)) found.push(line);
      if (found.length === count) done(found);
    });
    child.on("exit", () => fail(new Error(`the process ended without ${count} lines with ${text}`)));
  });
}

async function until(what, holds) {
  for (let i = 0; i < 600; i++) {
    if (await holds().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`${what}: not within 60 s`);
}

function stop(child) {
  return new Promise((done) => {
    if (child.exitCode !== null) return done();
    child.on("exit", done);
    child.kill("SIGTERM");
  });
}

/** `control::step` by criterion: mean nanoseconds of a whole step, by number of EVSEs. */
function control() {
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

function wrk(url, headers) {
  const args = ["-t1", "-c16", `-d${SECONDS}s`, "--latency", ...headers.flatMap((h) => ["-H", h]), url];
  const out = execFileSync("wrk", args, { encoding: "utf8" });
  if (/Non-2xx/.test(out)) throw new Error(`errors from ${url}:\n${out}`);
  return Number(out.match(/Requests\/sec:\s+([\d.]+)/)[1]);
}

/** How long each connection rests after an answer, when less than all is asked for. */
const REST_MS = 4;

/** Requests a second that really came, and the latency in ms of 99 of 100, when so many are asked for. */
function wrkAt(perSecond, url, headers) {
  const script = join(dir, "rest.lua");
  writeFileSync(script, `function delay() return ${REST_MS} end\n`);
  const connections = Math.ceil((perSecond * REST_MS) / 1000);
  const args = ["-t1", `-c${connections}`, `-d${SECONDS}s`, "--latency", "-s", script, ...headers.flatMap((h) => ["-H", h]), url];
  const out = execFileSync("wrk", args, { encoding: "utf8" });
  const [, value, unit] = out.match(/99%\s+([\d.]+)(us|ms|s)/);
  return { perSecond: Number(out.match(/Requests\/sec:\s+([\d.]+)/)[1]), p99Ms: Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit] };
}

/** `/api/status` beside nginx, which serves a file of the same bytes. */
async function status() {
  const demo = start(BIN, ["demo", "--listen", "127.0.0.1:0", "--data", join(dir, "demo")]);
  await linesWith(demo, "demo.json");
  const json = JSON.parse(readFileSync(join(dir, "demo", "demo.json"), "utf8"));
  const ready = async () => (await fetch(`${json.base_url}/readyz`)).status === 200;
  await until("the demo is ready", ready);
  const token = json.goe.chargers[0].token;
  const online = async () => {
    const reply = await fetch(`${json.base_url}/api/status?filter=fwv`, { headers: { Authorization: `Bearer ${token}` } });
    return reply.status === 200;
  };
  await until("the charger is online", online);

  const port = 20000 + (process.pid % 20000);
  const conf = join(dir, "nginx.conf");
  writeFileSync(
    conf,
    `worker_processes 1; daemon off; pid ${dir}/nginx.pid; error_log stderr crit;
     events { worker_connections 256; }
     http { access_log off; default_type application/json; keepalive_requests 1000000000;
       client_body_temp_path ${dir}; proxy_temp_path ${dir}; fastcgi_temp_path ${dir}; uwsgi_temp_path ${dir}; scgi_temp_path ${dir};
       server { listen 127.0.0.1:${port}; root ${dir}/www; } }`,
  );
  execFileSync("mkdir", ["-p", join(dir, "www")]);
  const header = `Authorization: Bearer ${token}`;
  const cases = { full: "/api/status", filtered: "/api/status?filter=car,amp,nrg" };
  for (const [name, path] of Object.entries(cases)) {
    const body = await (await fetch(json.base_url + path, { headers: { Authorization: `Bearer ${token}` } })).text();
    writeFileSync(join(dir, "www", name), body);
  }
  start("nginx", ["-c", conf, "-p", dir]);
  await until("nginx answers", async () => (await fetch(`http://127.0.0.1:${port}/full`)).ok);
  for (const [name, path] of Object.entries(cases)) {
    const ours = [];
    const theirs = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(wrk(json.base_url + path, [header]));
      theirs.push(wrk(`http://127.0.0.1:${port}/${name}`, []));
    }
    const ratio = median(ours.map((o, i) => o / theirs[i]));
    const bytes = readFileSync(join(dir, "www", name)).length;
    row(
      `/api/status ${name}, ${bytes} bytes`,
      `${median(ours).toFixed(0)} req/s`,
      `${ratio.toFixed(2)} x nginx (${median(theirs).toFixed(0)} req/s), one core each`,
      `wrk -t1 -c16 -d${SECONDS}s, ${ROUNDS} rounds in turn, median of the ratios`,
    );
    const half = wrkAt(median(ours) / 2, json.base_url + path, [header]);
    const command = `wrk -t1, every connection rests ${REST_MS} ms: ${half.perSecond.toFixed(0)} req/s of ${median(ours).toFixed(0)}`;
    limited(`/api/status ${name}: 99 of 100 at half load`, half.p99Ms, 5, "ms", command);
  }
  await stop(demo);
}

const clockTicks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const cpuSeconds = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / clockTicks;
};
const rssMb = (pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]) / 1024;

/** `serve` with ten devices of another process, at rest. */
async function serve() {
  const sim = start(BIN, ["sim", "--config", "benchmarks/ten-devices.toml"]);
  const table = (await linesWith(sim, "127.0.0.1:", 10)).map((line) => line.trim().split(/\s+/));
  let text = `listen = "127.0.0.1:0"\ndata = "${dir}/serve"\n[[site]]\nid = "ten"\ntime_zone = "Europe/Vienna"\n
    [[site.circuit]]\nid = "house"\nlimit_a = 100\nmeter = "grid"\n`;
  for (const [device, address] of table) {
    const kind = {
      grid: 'kind = "meter"\nrole = "grid"\ndriver = "sunspec"',
      pv: 'kind = "inverter"\ndriver = "sunspec"',
      battery: 'kind = "battery"\ndriver = "sunspec"\nmax_charge_w = 5000\nmax_discharge_w = 5000',
    }[device];
    text += `[[site.device]]\nid = "${device}"\n`;
    text += kind ? `${kind}\naddress = "${address}"\n` : `kind = "charging_station"\ndriver = "goe"\nurl = "http://${address}"\n`;
  }
  writeFileSync(join(dir, "ten.toml"), text);

  const begun = performance.now();
  const child = start(BIN, ["serve", "--config", join(dir, "ten.toml")]);
  const [line] = await linesWith(child, "listens on");
  const base = line.split(" ").at(-1);
  await until("healthz", async () => (await fetch(`${base}/healthz`)).ok);
  row("start of serve until /healthz answers", `${(performance.now() - begun).toFixed(0)} ms`, "limit 2000 ms for the page", "");

  await sleep(20_000);
  const before = cpuSeconds(child.pid);
  await sleep(30_000);
  const share = ((cpuSeconds(child.pid) - before) / 30) * 100;
  const memory = rssMb(child.pid);
  row("serve, ten devices at 1 Hz, memory", `${memory.toFixed(1)} MB`, `${(memory / 30).toFixed(2)} x the limit of 30 MB`, "VmRSS after 50 s");
  row("serve, ten devices at 1 Hz, one core", `${share.toFixed(2)} %`, `${(share / 0.3).toFixed(2)} x the limit of 0.3 %`, "/proc stat over 30 s");
  await stop(child);
  await stop(sim);
}

/** What the example of the store prints, by name. */
function storeFigures(...args) {
  const out = execFileSync(STORE_FIGURES, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return Object.fromEntries(out.trim().split("\n").map((line) => line.split(" ")).map(([name, value]) => [name, Number(value)]));
}

const round = (value) => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));

/** A figure that must not exceed its limit, or must reach what is wanted. */
function limited(what, value, limit, unit, command, at = "most") {
  const holds = at === "most" ? value <= limit : value >= limit;
  row(what, `${round(value)} ${unit}`, `${holds ? "holds" : "MISSES"} the limit of at ${at} ${limit} ${unit}, ${(value / limit).toFixed(2)} x`, command);
}

/** The embedded history: an import, queries, live writing. */
function embedded() {
  const command = `history_figures embedded, ${days} days`;
  const f = storeFigures("embedded", join(dir, "history"), String(days));
  const most = (what, value, limit, unit) => limited(`history: ${what}`, value, limit, unit, command);
  limited("history: import with rollups", f.import_readings_per_s / 1e6, 10, "M readings/s", command, "least");
  most("on disk, rollups included", f.import_bytes_per_reading, 0.6, "B per reading");
  most("peak memory of the import", f.import_peak_mib, 150, "MiB");
  most("last value of 600 series", f.latest_ms, 0.1, "ms");
  most("a day of one series, raw", f.raw_day_ms, 2, "ms");
  most(`${days} days of quarter-hours`, f.quarters_ms, 0.5, "ms");
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
function server() {
  const command = `history_figures server, ${serverDays} days, PostgreSQL of Debian`;
  const f = storeFigures("server", String(serverDays));
  limited("history in PostgreSQL: import", f.server_readings_per_s / 1e6, 8, "M readings/s", command, "least");
  limited("history in PostgreSQL: on disk", f.server_bytes_per_reading, 0.6, "B per reading", command);
  const share = (f.server_readings_per_s / f.copy_rows_per_s).toFixed(1);
  row("history in PostgreSQL: beside binary COPY", `${share} x`, `COPY of the same readings as rows: ${round(f.copy_rows_per_s / 1e6)} M rows/s, ${round(f.copy_bytes_per_row)} B each`, command);
  row("history in PostgreSQL: a day raw, in quarters", `${round(f.server_raw_ms)} ms, ${round(f.server_quarters_ms)} ms`, "", command);
}

/** Records that are synced before they are acknowledged. */
function records() {
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
async function peers() {
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
  execFileSync("sh", ["-c", `${STORE_FIGURES} lines ${peerDevices} > ${lines}`]);
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

/** What very many go-e chargers cost, and as many WebSockets that say little. */
function fleet() {
  execFileSync("cargo", ["build", "--release", "--quiet", "--package", "ohmstead", "--example", "goe_fleet"], { stdio: "inherit" });
  const figures = (what) => JSON.parse(execFileSync(GOE_FLEET, [what, "10000"], { encoding: "utf8" }));
  const f = figures("chargers");
  limited("10,000 go-e chargers, each told once a second", f.cores, 0.5, "cores", "goe_fleet chargers");
  limited("the same, each beside its document", f.kb_each, 20, "kB", "goe_fleet chargers");
  const g = figures("links");
  if (g.online !== g.links) throw new Error(`${g.online} of ${g.links} links are online`);
  limited("10,000 idle WebSocket links, each beside its document", g.kb_each, 16, "kB", "goe_fleet links");
}

function buildStoreFigures() {
  execFileSync("cargo", ["build", "--release", "--quiet", "--package", "store", "--example", "history_figures"], { stdio: "inherit" });
}

/** Sections by name, in the order of results.md. */
const sections = { control, fleet, history: embedded, server, records, peers, status, serve };

/** The sections of results.md as they stand. */
function written() {
  const parts = readFileSync(RESULTS, "utf8").split(/^## /m).slice(1);
  return Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf("\n")).trim(), part.slice(part.indexOf("\n")).trim()]));
}

function write(name) {
  const machine = `${cpus().length} x ${cpus()[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--", "crates", "Cargo.lock") ? " with changes" : "";
  const commit = git("rev-parse", "--short", "HEAD") + changed;
  const body = rows.map((r) => `| ${r.what} | ${r.figure} | ${r.beside} | ${r.command} |`).join("\n");
  const date = new Date().toISOString().slice(0, 10);
  const all = written();
  all[name] = `${date}, commit ${commit}, machine: ${machine}.\n\n| what | figure | beside | how |\n|---|---|---|---|\n${body}`;
  const text = Object.keys(sections).filter((section) => all[section]).map((section) => `## ${section}\n\n${all[section]}\n`);
  writeFileSync(
    RESULTS,
    `# Figures\n\nWritten by \`./bench\`, one section after the other. Ratios and limits were taken in the same run; absolute figures\n` +
      `differ from machine to machine.\n\n${text.join("\n")}`,
  );
  rows.length = 0;
}

const unknown = asked.filter((name) => !(name in sections));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(", ")}; ./bench [--full] [${Object.keys(sections).join("|")}]...`);
  process.exit(2);
}
const wanted = Object.keys(sections).filter((name) => asked.length === 0 || asked.includes(name));
try {
  if (wanted.some((name) => ["history", "server", "records", "peers"].includes(name))) buildStoreFigures();
  for (const name of wanted) {
    await sections[name]();
    write(name);
  }
  console.log(`\nwritten to ${RESULTS}`);
} finally {
  await Promise.all(children.map(stop));
  rmSync(dir, { recursive: true, force: true });
}

// Figures beside a peer or a limit, taken in the same run. Prints ratios; writes benchmarks/results.md.
// Started by ./bench, which builds and installs what this needs.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BIN = "target/release/ohmstead";
const ROUNDS = 5;
const SECONDS = 4;
const dir = mkdtempSync(join(tmpdir(), "ohmstead-bench-"));
const children = [];
const rows = [];

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

/** The embedded history: an import, queries, live writing, and rows of plain SQLite. */
function history() {
  const days = 3;
  const command = `history_figures, ${days} days`;
  const args = ["run", "--release", "--quiet", "--package", "store", "--example", "history_figures", "--", join(dir, "history"), String(days)];
  const out = execFileSync("cargo", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const figure = Object.fromEntries(out.trim().split("\n").map((line) => line.split(" ")).map(([name, value]) => [name, Number(value)]));
  const limited = (what, value, limit, unit) =>
    row(`history: ${what}`, `${value.toPrecision(3)} ${unit}`, `${(value / limit).toFixed(2)} x the limit of ${limit} ${unit}`, command);
  const f = figure;
  const times = (a, b) => `${(a / b).toFixed(1)} x SQLite rows (${b.toPrecision(3)})`;
  row("history: import, million readings/s", (f.import_readings_per_s / 1e6).toFixed(1), `wanted 10; ${times(f.import_readings_per_s, f.rows_readings_per_s)}`, command);
  limited("on disk", f.import_bytes_per_reading, 0.6, "B per reading");
  row("history: on disk beside rows", f.import_bytes_per_reading.toPrecision(3), times(f.import_bytes_per_reading, f.rows_bytes_per_reading), command);
  limited("peak memory of the import", f.import_peak_mib, 150, "MiB");
  limited("last value of 600 series", f.latest_ms, 0.1, "ms");
  limited("a day of one series, raw", f.raw_day_ms, 2, "ms");
  row("history: a day raw beside rows", `${f.raw_day_ms.toPrecision(3)} ms`, times(f.raw_day_ms, f.rows_raw_day_ms), command);
  limited(`${days} days of quarter-hours`, f.quarters_ms, 0.5, "ms");
  limited("a day in 1,000 columns", f.chart_day_ms, 5, "ms");
  limited("a year of daily energies, from memory", f.year_ms, 0.1, "ms");
  row("history: the same, the first time", `${f.year_first_ms.toPrecision(3)} ms`, "", command);
  limited("the same of 50 devices, from memory", f.year_50_ms, 2, "ms");
  limited("600 series at 1 Hz, share of a core", f.live_core_percent, 1, "%");
  limited("longest write of 1,350", f.live_pause_most_ms, 20, "ms");
  row("history: median write", `${f.live_pause_median_ms.toPrecision(3)} ms`, "", command);
}

try {
  control();
  history();
  await status();
  await serve();
  const machine = `${cpus().length} x ${cpus()[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const body = rows.map((r) => `| ${r.what} | ${r.figure} | ${r.beside} | ${r.command} |`).join("\n");
  writeFileSync(
    "benchmarks/results.md",
    `# Figures\n\nWritten by \`./bench\` on ${new Date().toISOString().slice(0, 10)}, commit ${commit}, machine: ${machine}.\n` +
      `Ratios were taken in the same run; absolute figures differ from machine to machine.\n\n` +
      `| what | figure | beside | how |\n|---|---|---|---|\n${body}\n`,
  );
  console.log("\nwritten to benchmarks/results.md");
} finally {
  await Promise.all(children.map(stop));
  rmSync(dir, { recursive: true, force: true });
}

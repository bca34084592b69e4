// A server of ours beside nginx, which serves a file of the same bytes.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dir, limited, median, row, start, stop, until } from "./harness.mjs";

const ROUNDS = 5;
const SECONDS = 4;

function wrk(url, headers) {
  const args = ["-t1", "-c16", `-d${SECONDS}s`, "--latency", ...headers.flatMap((h) => ["-H", h]), url];
  const out = execFileSync("wrk", args, { encoding: "utf8" });
  if (/Non-2xx/.test(out)) throw new Error(`errors from ${url}:\n${out}`);
  return Number(out.match(/Requests\/sec:\s+([\d.]+)/)[1]);
}

/** How long each connection rests after an answer, when less than all is asked for. */
const REST_MS = 4;
/** How near the rate that came must be to the one that was asked for. */
const NEAR = 0.05;

/**
 * Requests a second that really came, and the latency in ms of 99 of 100, when so many are asked for. An answer takes
 * its time as well, so the number of connections is found out.
 */
function wrkAt(perSecond, url, headers) {
  const script = join(dir, "rest.lua");
  writeFileSync(script, `function delay() return ${REST_MS} end\n`);
  let connections = Math.ceil((perSecond * REST_MS) / 1000);
  for (let tries = 0; tries < 8; tries++) {
    const args = ["-t1", `-c${connections}`, `-d${SECONDS}s`, "--latency", "-s", script, ...headers.flatMap((h) => ["-H", h]), url];
    const out = execFileSync("wrk", args, { encoding: "utf8" });
    if (/Non-2xx/.test(out)) throw new Error(`errors from ${url}:\n${out}`);
    const came = Number(out.match(/Requests\/sec:\s+([\d.]+)/)[1]);
    const [, value, unit] = out.match(/99%\s+([\d.]+)(us|ms|s)/);
    if (Math.abs(came / perSecond - 1) <= NEAR) {
      return { perSecond: came, connections, p99Ms: Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit] };
    }
    connections = Math.max(1, Math.round((connections * perSecond) / came));
  }
  throw new Error(`${url}: no number of connections brings ${perSecond.toFixed(0)} requests a second`);
}

const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`);

/**
 * For each case, requests a second beside nginx, and 99 of 100 latencies at half of what was reached.
 * A case is { name, what, url, headers, least }: the file that nginx serves, the words of its row, what is asked and
 * how, and how many requests a second there must be, if that is said.
 */
export async function besideNginx(cases) {
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
  for (const { name, url, headers } of cases) {
    const body = await (await fetch(url, { headers })).text();
    writeFileSync(join(dir, "www", name), body);
  }
  const nginx = start("nginx", ["-c", conf, "-p", dir]);
  await until("nginx answers", async () => (await fetch(`http://127.0.0.1:${port}/${cases[0].name}`)).ok);
  for (const { name, what, url, headers, least } of cases) {
    const ours = [];
    const theirs = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(wrk(url, lines(headers)));
      theirs.push(wrk(`http://127.0.0.1:${port}/${name}`, []));
    }
    const ratio = median(ours.map((o, i) => o / theirs[i]));
    const bytes = readFileSync(join(dir, "www", name)).length;
    row(
      `${what}, ${bytes} bytes`,
      `${median(ours).toFixed(0)} req/s`,
      `${ratio.toFixed(2)} x nginx (${median(theirs).toFixed(0)} req/s), one core each`,
      `wrk -t1 -c16 -d${SECONDS}s, ${ROUNDS} rounds in turn, median of the ratios`,
    );
    if (least) limited(`${what}, requests`, median(ours), least, "req/s", `wrk -t1 -c16 -d${SECONDS}s`, "least");
    const half = wrkAt(median(ours) / 2, url, lines(headers));
    const command = `wrk -t1 -c${half.connections}, each rests ${REST_MS} ms: ${half.perSecond.toFixed(0)} req/s of ${median(ours).toFixed(0)}`;
    limited(`${what}: 99 of 100 at half load`, half.p99Ms, 5, "ms", command);
  }
  await stop(nginx);
}

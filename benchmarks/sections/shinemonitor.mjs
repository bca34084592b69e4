import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, dir, example, limited, linesWith, start, stop, until } from "../harness.mjs";
import { besideNginx } from "../nginx.mjs";

const sha1 = (text) => createHash("sha1").update(text).digest("hex");

/** `queryDeviceLastData`, signed, beside nginx, which serves a file of the same bytes. */
export async function shinemonitor() {
  const demo = start(BIN, ["demo", "--listen", "127.0.0.1:0", "--data", join(dir, "shine")]);
  await linesWith(demo, "demo.json");
  const { base_url, shinemonitor: shine } = JSON.parse(readFileSync(join(dir, "shine", "demo.json"), "utf8"));
  await until("the demo is ready", async () => (await fetch(`${base_url}/readyz`)).status === 200);
  const ask = async (query) => (await (await fetch(`${shine.url}?${query}`)).json()).dat;
  const salt = "12345678";
  const login = `&action=auth&usr=${shine.usr}&company-key=${shine.company_key}`;
  const { secret, token } = await ask(`sign=${sha1(salt + sha1(shine.pwd) + login)}&salt=${salt}${login}`);
  const signed = (tail) => `sign=${sha1(salt + secret + token + tail)}&salt=${salt}&token=${token}${tail}`;
  const devices = async () => (await ask(signed(`&action=queryCollectorDevices&pn=${shine.pn}`))).dev;
  await until("the plant has devices", async () => (await devices()).length > 0);
  const inverter = (await devices()).find((device) => device.devcode === 512);
  const tail = `&action=queryDeviceLastData&pn=${shine.pn}&devcode=512&devaddr=${inverter.devaddr}&sn=${inverter.sn}&i18n=en_US`;
  const url = `${shine.url}?${signed(tail)}`;
  await until("the inverter has data", async () => (await ask(signed(tail)))?.length > 0);
  await besideNginx([{ name: "last", what: "queryDeviceLastData", url, headers: {}, least: 10_000 }]);
  await stop(demo);
  months();
}

/** The days of a month, of each of very many plants. */
function months() {
  const program = example("ohmstead", "shine_plants");
  const f = JSON.parse(execFileSync(program, ["1000", "62"], { encoding: "utf8" }));
  const what = "the days of a month, of 1,000 plants with 62 days of quarter hours";
  limited(`${what}: 99 of 100`, f.p99_ms, 5, "ms", `shine_plants 1000 62, median ${f.median_ms.toFixed(2)} ms`);
}

/** What very many data loggers cost that have dialled us and are asked every 30 s. */
export function loggers() {
  const program = example("ohmstead", "logger_fleet");
  const f = JSON.parse(execFileSync(program, ["links", "10000"], { encoding: "utf8" }));
  if (f.online !== f.loggers) throw new Error(`${f.online} of ${f.loggers} loggers are online`);
  limited("10,000 data loggers, each asked every 30 s", f.cores, 1, "cores", "logger_fleet links 10000");
  limited("the same, each", f.kb_each, 16, "kB", "logger_fleet links 10000");
}

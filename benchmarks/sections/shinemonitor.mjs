import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, dir, linesWith, start, stop, until } from "../harness.mjs";
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
}

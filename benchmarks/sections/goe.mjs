import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, dir, example, limited, linesWith, start, stop, until } from "../harness.mjs";
import { besideNginx } from "../nginx.mjs";

/** What very many go-e chargers cost, and as many WebSockets that say little. */
export function fleet() {
  const program = example("ohmstead", "goe_fleet");
  const figures = (what) => JSON.parse(execFileSync(program, [what, "10000"], { encoding: "utf8" }));
  const f = figures("chargers");
  limited("10,000 go-e chargers, each told once a second", f.cores, 0.5, "cores", "goe_fleet chargers");
  limited("the same, each beside its document", f.kb_each, 20, "kB", "goe_fleet chargers");
  const g = figures("links");
  if (g.online !== g.links) throw new Error(`${g.online} of ${g.links} links are online`);
  limited("10,000 idle WebSocket links, each beside its document", g.kb_each, 16, "kB", "goe_fleet links");
}

/** `/api/status` beside nginx, which serves a file of the same bytes. */
export async function status() {
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
  const headers = { Authorization: `Bearer ${token}` };
  const asked = (name, query) => ({ name, what: `/api/status ${name}`, url: `${json.base_url}/api/status${query}`, headers });
  await besideNginx([asked("full", ""), asked("filtered", "?filter=car,amp,nrg")]);
  await stop(demo);
}

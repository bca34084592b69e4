import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, cpuSeconds, dir, linesWith, row, rssMb, sleep, start, stop, until } from "../harness.mjs";

/** `serve` with ten devices of another process, at rest. */
export async function serve() {
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

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { list, sentence, t } from ".";
import { en } from "./en";

const root = new URL("..", import.meta.url).pathname;
const sources = readdirSync(root, { recursive: true })
  .map(String)
  .filter((name) => /\.(ts|svelte)$/.test(name) && !/\.test\.ts$|en\.ts$|schema/.test(name))
  .map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }));

/** Keys that are put together from what the server says. */
const MADE = [
  "account.theme.",
  "alarms.",
  "budget.per.",
  "charger.choice.",
  "device.kind.",
  "device.role.",
  "evse.mode.",
  "foreign.",
  "installation.tls.",
  "limit.",
  "nav.",
  "origin.",
  "oversight.callback.",
  "oversight.failure.",
  "oversight.field.",
  "oversight.finding.",
  "oversight.kind.",
  "oversight.kind_none.",
  "oversight.look.",
  "oversight.mark.",
  "oversight.part.",
  "oversight.risk.",
  "oversight.warnings_",
  "outbox.",
  "period.",
  "reason.",
  "reporting.answer.",
  "reporting.kind.",
  "reporting.standing.",
  "reporting.type.",
  "role.",
  "plant.address.",
  "plant.factor.",
  "plant.price.",
  "sessions.kind.",
  "sessions.stop.",
  "shine.kind.",
  "solar.period.",
  "tariff.direction.",
  "tariff.kind.",
  "theme.",
  "token.scope.",
  "user.alarms_",
  "user.part.",
  "vehicle.phases.",
  "vehicle.source.",
];
const MADE_WHOLE = /^(flow|today)\.(sun|grid|house|battery|cars)$/;

test("every string is used", () => {
  const all = sources.map((source) => source.text).join("\n");
  const idle = Object.keys(en).filter(
    (key) => !all.includes(`"${key}"`) && !MADE.some((made) => key.startsWith(made)) && !MADE_WHOLE.test(key),
  );
  expect(idle).toEqual([]);
});

test("components hold no words of their own", () => {
  const found = sources
    .filter(({ name }) => name.endsWith(".svelte"))
    .flatMap(({ name, text }) => {
      const markup = text
        .replace(/<script[^]*?<\/script>|<style[^]*?<\/style>|<!--[^]*?-->/g, "")
        .replace(/\{[^{}]*(\{[^{}]*\}[^{}]*)*\}/g, "");
      return [...markup.matchAll(/>([^<>{}]*[A-Za-z]{2,}[^<>{}]*)</g)].map((match) => `${name}: ${match[1]?.trim()}`);
    });
  expect(found).toEqual([]);
});

test("what is missing stays visible, lists read as people say them", () => {
  expect(t("alarm.since", { time: "14:05" })).toBe("since 14:05");
  expect(t("alarm.since")).toBe("since {time}");
  expect(sentence("no answer within 2 s")).toBe("No answer within 2 s");
  expect(sentence("")).toBe("");
  expect(list([])).toBe("");
  expect(list(["A"])).toBe("A");
  expect(list(["A", "B", "C"])).toBe("A, B and C");
});

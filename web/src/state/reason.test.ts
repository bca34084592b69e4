import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Reason } from "../api/types";
import { en } from "../i18n/en";
import { why } from "./reason";

const model = readFileSync(new URL("../../../crates/model/src/reason.rs", import.meta.url), "utf8");
const now = Date.parse("2026-08-05T12:00:00Z");
const site = {
  time_zone: "Europe/Berlin",
  circuits: [{ id: "garage", name: "Garage" }],
  devices: [{ id: "grid", name: "Grid meter" }],
  evses: [
    { id: "left", name: "Left" },
    { id: "right", name: "Right" },
  ],
} as unknown as Parameters<typeof why>[1];

/** Every code with the parameters the model gives it, and what people read. */
const rows: [string, Record<string, unknown>, string, string][] = [
  ["no_vehicle", {}, "No car is plugged in", "It starts by itself after plugging in."],
  ["switched_off", {}, "Switched off", "Choose another mode to charge."],
  ["disabled", {}, "Disabled in the settings", "It is shown, and not used."],
  ["vehicle_not_asking", {}, "The car does not ask for current", "It is plugged in and may start at any time."],
  ["vehicle_complete", {}, "The car has stopped by itself", "It is full, or follows its own schedule."],
  ["as_asked", { current: 16_000 }, "Charging with 16 A, as asked", "Nothing holds it back."],
  [
    "limited",
    { by: { kind: "circuit", circuit: "garage", phase: "l2" }, current: 9_400, asked: 16_000 },
    "Charging with 9.4 A of 16 A",
    "Garage, phase L2, has no more room.",
  ],
  [
    "limited",
    { by: { kind: "skew", circuit: "garage", phase: "l2" }, current: 9_400, asked: 16_000 },
    "Charging with 9.4 A of 16 A",
    "Garage: phase L2 may not lie further from the others.",
  ],
  [
    "limited",
    { by: { kind: "circuit", circuit: "garage", phase: null }, current: 9_400, asked: 16_000 },
    "Charging with 9.4 A of 16 A",
    "Garage has no more room.",
  ],
  [
    "limited",
    { by: { kind: "rule", set: "night", rule: 2 }, current: 9_000, asked: 16_000 },
    "Charging with 9 A of 16 A",
    "Rule 2 of night allows no more.",
  ],
  [
    "limited",
    { by: { kind: "rule", set: "night", rule: null }, current: 0, asked: 16_000 },
    "Paused; 16 A are asked for",
    "No rule of night holds.",
  ],
  ["limited", { by: { kind: "ramp" }, current: 6_000, asked: 16_000 }, "Charging with 6 A of 16 A", "On its way up."],
  [
    "circuit_full",
    { circuit: "garage", phase: "l2", limit: 25_000, base: 9_400, needed: 6_000, free: 0, holders: ["left"] },
    "Waits for room on Garage, phase L2",
    "6 A needed, 0 A free: of 25 A, other loads take 9.4 A and Left the rest.",
  ],
  [
    "circuit_full",
    { circuit: "garage", phase: null, limit: 25_000, base: 25_400, needed: 6_000, free: -400, holders: [] },
    "Waits for room on Garage",
    "6 A needed, −0.4 A free: of 25 A, other loads take 25.4 A.",
  ],
  [
    "circuit_full",
    {
      circuit: "garage",
      phase: null,
      limit: 25_000,
      base: 0,
      needed: 6_000,
      free: 0,
      holders: ["left"],
      turn: { holder: "left", ends: now + 120_000 },
    },
    "Waits for room on Garage",
    "6 A needed, 0 A free: of 25 A, other loads take 0 A and Left the rest. The turn of Left ends at 14:02.",
  ],
  [
    "unbalanced",
    { circuit: "garage", phase: "l1", limit: 20_000, needed: 6_000, free: 4_000, holders: ["left"] },
    "Waits until phases are in balance on Garage, phase L1",
    "6 A needed, 4 A free: phases may lie apart by 20 A, and Left has them so.",
  ],
  [
    "unbalanced",
    { circuit: "garage", phase: "l1", limit: 5_000, needed: 6_000, free: 5_000, holders: [] },
    "Waits until phases are in balance on Garage, phase L1",
    "6 A needed, 5 A free: phases may lie apart by 5 A.",
  ],
  ["no_surplus", { available: 900, needed: 1_380 }, "Waits for more sun", "1.38 kW needed, 900 W left over."],
  [
    "waiting_for_stable_room",
    { until: now + 42_000 },
    "Starts in 0:42, if it lasts",
    "There is room now; at 14:00 the car may start.",
  ],
  [
    "minimum_pause",
    { until: now + 90_000 },
    "A short pause, 1:30 more",
    "It stopped a moment ago; at 14:01 it may start again.",
  ],
  [
    "holding_minimum",
    { until: now + 180_000 },
    "Pauses in 3:00 unless the sun returns",
    "The sun went away; the least current is kept until 14:03.",
  ],
  [
    "starts_used_up",
    { most: 6, until: now + 90_000 },
    "A rest, 1:30 more",
    "It has started 6 times within an hour; at 14:01 it may start again.",
  ],
  [
    "resting_full",
    { soc: 795, below: 770 },
    "The car was full",
    "Its battery is at 80 %; it is charged again below 77 %.",
  ],
  [
    "resting_full",
    { soc: null, below: null },
    "The car was full",
    "It has been topped up; it is charged again once it was unplugged.",
  ],
  [
    "waking_vehicle",
    { until: now + 10_000 },
    "Wakes the car",
    "It does not ask for current; the offer is interrupted until 14:00.",
  ],
  [
    "after_overload",
    { circuit: "garage", phase: "l2", until: now + 240_000 },
    "Waits 4:00 after an overload",
    "Garage, phase L2 was above its limit; nothing starts there before 14:04.",
  ],
  [
    "switching_phases",
    { to: "one", until: now + 10_000 },
    "Changes to one phase",
    "Nothing flows meanwhile; at 14:00 it may go on.",
  ],
  [
    "one_phase_only",
    { circuit: "garage", phase: "l3", current: 16_000 },
    "Charging with 16 A on one phase",
    "Garage, phase L3 has no room for three.",
  ],
  [
    "peak_reached",
    { target: 9_000, available: 1_380, ends: now + 240_000 },
    "Waits for the next quarter-hour",
    "This one may come to 9.00 kW on average; 1.38 kW are left for cars until 14:04.",
  ],
  [
    "dimmed",
    { available: 4_200, until: now + 240_000 },
    "The grid operator has dimmed the site",
    "4.20 kW are left until 14:04.",
  ],
  [
    "dimmed",
    { available: 4_200, until: null },
    "The grid operator has dimmed the site",
    "4.20 kW are left until the order is taken back.",
  ],
  [
    "meter_silent",
    { meter: "grid", age: 12_000, fallback: 6_000 },
    "Grid meter has been silent for 12 s",
    "At most 6 A until it answers.",
  ],
  [
    "meter_silent",
    { meter: "gone", age: 12_000, fallback: 0 },
    "gone has been silent for 12 s",
    "Paused until it answers.",
  ],
  ["station_silent", { counted: 16_000 }, "The charging station does not answer", "16 A are kept free for it."],
  ["not_following", { told: 6_000, drawn: 9_800 }, "Told 6 A, draws 9.8 A", "Waits for the car to follow."],
  ["starting_up", {}, "Just started", "Waits for the charging station to say what it does."],
  ["waiting_for_others", { holders: ["left", "right"] }, "Waits for its turn", "Left and Right must go down first."],
  ["waiting_for_others", { holders: [] }, "Waits for its turn", "The others go down first."],
  [
    "awaiting_authorisation",
    {},
    "Waits for a card, a PIN or the app",
    "Nobody has been authorised to charge here now.",
  ],
  [
    "budget_used_up",
    { budget: 20_000, used: 20_004 },
    "The budget is used up",
    "20.0 kWh of 20.0 kWh were charged.",
  ],
  [
    "charge_limit_reached",
    { limit: 800, soc: 803 },
    "The car is at its limit of 80 %",
    "Its battery is at 80 %.",
  ],
  [
    "energy_limit_reached",
    { limit: 20_000, charged: 20_004 },
    "The car has had its 20.0 kWh",
    "20.0 kWh were charged since it was plugged in.",
  ],
  [
    "price_too_high",
    { price: 312_000, limit: 200_000, currency: "EUR" },
    "Waits for sun, or for grid energy at €0.200/kWh",
    "It costs €0.312/kWh now.",
  ],
  [
    "changed_elsewhere",
    { what: { kind: "current", value: 8_000 }, policy: "yield" },
    "Somebody else set 8 A",
    "It was changed at the charging station, and stands until the car leaves.",
  ],
  [
    "changed_elsewhere",
    { what: { kind: "phases", value: "one" }, policy: "reassert" },
    "Somebody else chose one phase",
    "It was changed at the charging station, which is told again.",
  ],
  [
    "changed_elsewhere",
    { what: { kind: "paused" }, policy: "ask" },
    "Somebody else paused it",
    "It was changed at the charging station, and stands until somebody decides.",
  ],
];

function codes(): string[] {
  const list = /CODES: \[[^\]]*\] = \[([^\]]*)\]/.exec(model)?.[1] ?? "";
  return [...list.matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
}

test("every code of the model has its words, and no others", () => {
  expect(codes().length).toBeGreaterThan(10);
  const told = Object.keys(en)
    .filter((key) => /^reason\.\w+$/.test(key))
    .map((key) => key.slice("reason.".length));
  expect(told.sort()).toEqual(codes().sort());
  expect([...new Set(rows.map(([code]) => code))].sort()).toEqual(codes().sort());
});

test("every source of a limit of the model has its words", () => {
  const limits = readFileSync(new URL("../../../crates/model/src/limit.rs", import.meta.url), "utf8");
  const body = /pub enum LimitSource \{([^]*?)\n\}/.exec(limits)?.[1] ?? "";
  const kinds = [...body.matchAll(/^ {4}([A-Z]\w*)/gm)].map((match) =>
    (match[1] ?? "").replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase(),
  );
  expect(kinds).toContain("fail_safe");
  for (const kind of kinds) expect(Object.keys(en)).toContain(`limit.${kind}`);
});

test("reasons read as sentences with nothing left to fill in", () => {
  for (const [code, params, headline, detail] of rows) {
    const told = why({ code, params, text: "", since_ms: now } as Reason, site, now);
    expect(
      { headline: told.headline.replaceAll("\u00a0", " "), detail: told.detail.replaceAll("\u00a0", " ") },
      code,
    ).toEqual({ headline, detail });
  }
});

test("an unknown code is told in the server's sentence", () => {
  const reason = { code: "from_the_future", params: {}, text: "Because.", since_ms: now } as unknown as Reason;
  expect(why(reason, site, now)).toEqual({ headline: "Because.", detail: "" });
});

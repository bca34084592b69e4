import { expect, test } from "vitest";
import type { Alarm, AlarmList, EnergySeries, SolarExpected, SolarPeriod, SolarView } from "../api/types";
import * as solar from "./solar";

const MIDNIGHT = Date.UTC(2026, 7, 2, 22); // 3 August in Vienna
const HOUR = 3_600_000;
const DAY = { from_ms: MIDNIGHT, to_ms: MIDNIGHT + 24 * HOUR };

function expected(change: Partial<SolarExpected> = {}): SolarExpected {
  const power_w = Array.from({ length: 288 }, (_, step) => (step >= 72 && step < 216 ? 6_000 : 0));
  return { devices: ["pv"], from_ms: MIDNIGHT, step_ms: 300_000, power_w, day_wh: 72_000, so_far_wh: 36_000, produced_wh: 18_000, ...change };
}

test("only inverters in use bring sun", () => {
  const device = (kind: string, enabled = true) => ({ kind, enabled });
  expect(solar.hasSun([])).toBe(false);
  expect(solar.hasSun([device("meter"), device("inverter", false)])).toBe(false);
  expect(solar.hasSun([device("meter"), device("inverter")])).toBe(true);
});

test("curves of today share their steps, and inverters add up", () => {
  const row = (step: number, mean: number) => [MIDNIGHT + step * 300_000, mean, mean, mean, mean] as never;
  const series = (subject: string, rows: never[]) => ({ subject, quantity: "power", unit: "W", rows }) as never;
  const curve = solar.todayCurve(
    [series("device:a", [row(100, -2_000), row(101, 15), row(400, -1)]), series("device:b", [row(100, -500)])],
    expected(),
    DAY,
  );
  expect(curve.at_s).toHaveLength(288);
  expect(curve.at_s[0]).toBe(MIDNIGHT / 1000 + 150);
  expect(curve.actual.slice(99, 103)).toEqual([null, 2.5, 0, null]);
  expect(curve.expected.slice(70, 73)).toEqual([null, 0, 6]);
  // A day of 25 hours, and nothing to expect.
  const long = solar.todayCurve([], null, { from_ms: 0, to_ms: 25 * HOUR });
  expect(long.at_s).toHaveLength(300);
  expect(new Set(long.expected)).toEqual(new Set([null]));
});

/** A curve that was recorded between two steps, at half of what a clear sky brings. */
function half(from: number, to: number, of = expected()): solar.TodayCurve {
  const curve = solar.todayCurve([], of, DAY);
  const actual = curve.actual.map((_, step) => (step >= from && step < to ? (curve.expected[step] ?? 0) / 2 : null));
  return { ...curve, actual };
}

test("what came is compared with a clear sky once there is something to compare", () => {
  expect(solar.compared(null, half(0, 144))).toBeNull();
  expect(solar.compared(expected(), half(0, 144))).toEqual({ share_permille: 500, produced_wh: 18_000, expected_wh: 36_000, is_part: false });
  expect(solar.compared(expected({ so_far_wh: 700 }), half(0, 144))).toBeNull();
  expect(solar.compared(expected({ so_far_wh: 0, day_wh: 0 }), half(0, 72))).toBeNull();
  expect(solar.compared(expected({ produced_wh: 37_000 }), half(0, 144))?.share_permille).toBe(1_028);
});

test("what was not recorded is not held against the sun", () => {
  // Recorded for the last two of six hours.
  expect(solar.compared(expected(), half(120, 144))).toEqual({ share_permille: 500, produced_wh: 6_000, expected_wh: 12_000, is_part: true });
  expect(solar.compared(expected({ so_far_wh: 72_000 }), half(250, 260))).toBeNull();
});

function energy(series: string, rows: [string, number, boolean][]): EnergySeries {
  return {
    series,
    estimated: false,
    rows: rows.map(([day, energy_wh, complete]) => {
      const start_ms = Date.parse(`${day}T00:00:00+02:00`);
      return { start_ms, end_ms: start_ms + 24 * HOUR, energy_wh, complete };
    }),
  };
}

test("a year has all its days, and each the sum of what was measured", () => {
  const one = energy("device:a.energy_out", [["2026-08-03", 10_000, true], ["2026-08-04", 2_000, true], ["2026-08-05", 0, true], ["2026-08-06", 0, false]]);
  const other = energy("device:b.energy_out", [["2026-08-03", 10_000, true], ["2026-08-04", 0, false], ["2026-08-05", 0, true], ["2026-08-06", 0, false]]);
  const months = solar.yearOfDays(2026, [one, other], "Europe/Vienna");
  expect(months.map((days) => days.length)).toEqual([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]);
  expect(months[7]?.slice(2, 6)).toEqual([
    { date: "2026-08-03", wh: 20_000, is_complete: true, level: 5 },
    { date: "2026-08-04", wh: 2_000, is_complete: true, level: 1 },
    { date: "2026-08-05", wh: 0, is_complete: true, level: 0 },
    { date: "2026-08-06", wh: null, is_complete: false, level: 0 },
  ]);
  expect(solar.monthSums(months)).toEqual([{ month: 8, wh: 22_000, days: 3, best: months[7]?.[2] }]);
  expect(solar.yearOfDays(2024, [], "Europe/Vienna")[1]).toHaveLength(29);
  expect(solar.monthSums(solar.yearOfDays(2026, [], "Europe/Vienna"))).toEqual([]);
});

test("levels follow the best day", () => {
  const levels = [0, 1, 2_000, 2_001, 9_999, 10_000].map((wh) => solar.levelOf(wh, 10_000));
  expect(levels).toEqual([0, 1, 1, 2, 5, 5]);
  expect(solar.levelOf(5, 0)).toBe(0);
});

test("keys lead from day to day and stay in their year", () => {
  const rows: [string, string, string | null][] = [
    ["2026-08-03", "ArrowRight", "2026-08-04"],
    ["2026-08-31", "ArrowRight", "2026-09-01"],
    ["2026-12-31", "ArrowRight", "2026-12-31"],
    ["2026-01-01", "ArrowLeft", "2026-01-01"],
    ["2026-03-31", "ArrowUp", "2026-02-28"],
    ["2026-01-15", "ArrowUp", "2026-01-15"],
    ["2026-10-31", "ArrowDown", "2026-11-30"],
    ["2026-12-15", "ArrowDown", "2026-12-15"],
    ["2026-02-15", "Home", "2026-02-01"],
    ["2026-02-15", "End", "2026-02-28"],
    ["2026-02-15", "x", null],
  ];
  for (const [date, key, to] of rows) expect([date, key, solar.dayByKey(date, key)]).toEqual([date, key, to]);
});

test("a signal is worth bars", () => {
  expect([-95, -85, -70, -67, -50, null].map(solar.signalBars)).toEqual([0, 1, 2, 3, 4, null]);
});

test("what it was worth is told by currency, and what was there before us is known as such", () => {
  const period: SolarPeriod = {
    produced_wh: 10_000,
    wh_per_kwp: null,
    co2_g: 9_900,
    booked_wh: 10_000,
    fed_in_wh: 2_500,
    unpriced_wh: 0,
    money: [{ currency: "EUR", saved_micros: 2_000_000, earned_micros: 200_000 }],
  };
  expect(solar.gains(period)).toEqual([{ currency: "EUR", micros: 2_200_000 }]);
  expect(solar.keptShare(period)).toBe(750);
  expect(solar.keptShare({ ...period, booked_wh: 0 })).toBeNull();
  const view = { today: period, total: { ...period, produced_wh: 5_000_000 } } as SolarView;
  expect([solar.isOlder(view, "today"), solar.isOlder(view, "total")]).toEqual([false, true]);
});

test("warnings of the sun's devices are found behind those of others", async () => {
  const alarm = (device: string, raised_ms: number, cleared_ms: number | null = raised_ms + 1) =>
    ({ device, code: "device_offline", severity: "error", text: "gone", raised_ms, cleared_ms, acknowledged: null }) as unknown as Alarm;
  const of = (device: string, from: number) => Array.from({ length: 50 }, (_, n) => alarm(device, from - n));
  const parts: Record<string, AlarmList> = {
    "": { items: of("meter", 1_000), next: "b" },
    b: { items: [alarm("pv", 900, null), alarm("pv", 800), ...of("meter", 700)], next: "c" },
    c: { items: [alarm("pv", 600), alarm("pv", 500)] },
  };
  const asked: string[] = [];
  const ask = (cursor: string | null) => (asked.push(cursor ?? ""), Promise.resolve(parts[cursor ?? ""] as AlarmList));
  const of_sun = ({ device }: Alarm) => device === "pv";
  const found = async (wanted: number) => (await solar.lately(ask, of_sun, wanted)).map(({ raised_ms }) => raised_ms);
  expect(await found(2)).toEqual([800, 600]);
  expect(await found(1)).toEqual([800]);
  expect(await found(5)).toEqual([800, 600, 500]);
  expect(asked.join()).toBe(",b,c,,b,,b,c");
  // A list without end is not read for ever.
  let count = 0;
  const endless = () => ((count += 1), Promise.resolve({ items: [], next: "more" }));
  expect(await solar.lately(endless, of_sun, 5)).toEqual([]);
  expect(count).toBeLessThan(100);
});

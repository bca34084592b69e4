import { expect, test } from "vitest";
import type { EnergySeries, SiteView } from "../api/types";
import { buckets, comparable, counters, csv, keptShare, names, ownShare, position, total, used, type Bucket } from "./balance";

const HOUR_MS = 3_600_000;

const site = {
  devices: [
    { id: "grid", kind: "meter", role: "grid", enabled: true },
    { id: "roof", kind: "inverter", role: null, enabled: true },
    { id: "cellar", kind: "battery", role: null, enabled: true },
    { id: "old", kind: "inverter", role: null, enabled: false },
  ],
  evses: [{ id: "left" }],
} as unknown as SiteView;

const series = (name: string, values: number[], complete = true): EnergySeries => ({
  series: name,
  estimated: false,
  rows: values.map((energy_wh, hour) => ({ start_ms: hour * HOUR_MS, end_ms: (hour + 1) * HOUR_MS, energy_wh, complete: complete && hour < 2 })),
});

const day = [
  series("device:grid.energy_in", [1_000, 0, 0]),
  series("device:grid.energy_out", [0, 2_000, 0]),
  series("device:roof.energy_out", [500, 6_000, 0]),
  series("device:cellar.energy_in", [0, 1_000, 0]),
  series("device:cellar.energy_out", [300, 0, 0]),
  series("evse:left.energy_in", [700, 2_500, 0], false),
];

test("every counter that measures a part is asked for once", () => {
  expect(names(counters(site))).toEqual([
    "device:roof.energy_out",
    "device:grid.energy_in",
    "device:grid.energy_out",
    "device:cellar.energy_in",
    "device:cellar.energy_out",
    "evse:left.energy_in",
  ]);
});

test("the house took what is left, and what nobody knows is no bucket", () => {
  const [night, noon, ...more] = buckets(day, counters(site));
  expect(night?.from).toEqual({ sun: 500, battery: 300, grid: 1_000 });
  expect(night?.to).toEqual({ house: 1_100, cars: 700, battery: 0, grid: 0 });
  expect(noon?.to).toEqual({ house: 500, cars: 2_500, battery: 1_000, grid: 2_000 });
  expect(noon?.is_complete).toBe(false);
  expect(more).toEqual([]);
});

test("a meter that reads too little never makes the house give", () => {
  const odd = [series("device:grid.energy_in", [10]), series("evse:left.energy_in", [11])];
  expect(buckets(odd, counters(site))[0]?.to.house).toBe(0);
});

test("totals, own power and kept sun", () => {
  const all = total(buckets(day, counters(site)));
  expect(used(all)).toBe(4_800);
  expect(ownShare(all)).toBe(792);
  expect(keptShare(all)).toBe(692);
  expect([ownShare(total([])), keptShare(total([]))]).toEqual([null, null]);
});

const days = (month: string, ...numbers: number[]): Bucket[] =>
  numbers.map((day) => {
    const start_ms = Date.parse(`2026-${month}-${String(day).padStart(2, "0")}T00:00:00Z`);
    const [from, to] = [{ sun: day, battery: 0, grid: 0 }, { house: day, cars: 0, battery: 0, grid: 0 }];
    return { start_ms, end_ms: start_ms + 24 * HOUR_MS, is_complete: true, from, to };
  });

test("a bucket stands at its hour, its day or its month", () => {
  const [bucket] = days("11", 3);
  if (!bucket) throw new Error("no bucket");
  expect(position(bucket, "day", "Europe/Vienna")).toBe("01:00");
  expect(position(bucket, "month", "Europe/Vienna")).toBe("03");
  expect(position(bucket, "year", "Europe/Vienna")).toBe("11");
  expect(position(bucket, "month", "America/New_York")).toBe("02");
});

test.each([
  ["whole months, of whatever length", [1, 2, 3], [1, 2, 3, 4], { is_running: false, are_whole: true }, [[1, 2, 3], [1, 2, 3, 4]]],
  ["a month that goes on, without today", [1, 2, 3], [1, 2, 3, 4], { is_running: true, are_whole: true }, [[1, 2], [1, 2]]],
  ["a month that was recorded from its 28th day on", [1, 2, 3], [28, 29, 30], { is_running: true, are_whole: false }, [[], []]],
  ["the days both have", [1, 2, 3, 4], [3, 4, 5], { is_running: false, are_whole: false }, [[3, 4], [3, 4]]],
] as const)("compared is: %s", (_name, now, before, how, expected) => {
  const at = (bucket: Bucket) => position(bucket, "month", "UTC");
  const both = comparable([days("11", ...now), days("10", ...before)], how, at);
  expect(both.map((part) => part.map((bucket) => bucket.from.sun))).toEqual(expected);
});

test("the file is the same in every language", () => {
  const [head, first] = csv(buckets(day, counters(site))).split("\r\n");
  expect(head).toBe("start,end,complete,from_sun_wh,from_battery_wh,from_grid_wh,to_house_wh,to_cars_wh,to_battery_wh,to_grid_wh");
  expect(first).toBe("1970-01-01T00:00:00.000Z,1970-01-01T01:00:00.000Z,false,500,300,1000,1100,700,0,0");
});

import { expect, test } from "vitest";
import type { HistorySeries, SiteView } from "../api/types";
import { append, EMPTY, fold, fromColumns, hours, join, subjects, total } from "./day";

const site = {
  id: "home",
  devices: [
    { id: "grid", kind: "meter", role: "grid", enabled: true },
    { id: "roof", kind: "inverter", role: null, enabled: true },
    { id: "barn", kind: "inverter", role: null, enabled: true },
    { id: "old", kind: "inverter", role: null, enabled: false },
  ],
  evses: [{ id: "left" }],
} as unknown as SiteView;

const series = (subject: string, values: [number, number][]): HistorySeries => ({
  subject,
  quantity: "power",
  unit: "W",
  rows: values.map(([at_s, w]) => [at_s * 1000, w, w, w, w]),
});

test("lines are made of the devices that belong to them", () => {
  expect(subjects(site)).toEqual({
    sun: ["device:roof", "device:barn"],
    house: ["site:home"],
    cars: ["evse:left"],
    battery: [],
    grid: ["device:grid"],
  });
});

test("series of a line are added, the sun turns positive, and what nobody knows is a gap", () => {
  const curve = fold(
    [
      series("device:roof", [[0, -1_000], [300, -2_000]]),
      series("device:barn", [[300, -500], [600, -100]]),
      series("device:grid", [[600, 40]]),
      series("device:stranger", [[900, 1]]),
    ],
    subjects(site),
    300,
  );
  expect(curve.at_s).toEqual([150, 450, 750]);
  expect(curve.lines.sun).toEqual([1_000, 2_500, 100]);
  expect(curve.lines.grid).toEqual([null, null, 40]);
  expect(curve.lines.battery).toEqual([null, null, null]);
});

test("energy counts each way by itself and leaves gaps out", () => {
  const day = { ...EMPTY, at_s: [0, 1_800, 3_600, 5_400, 20_000], lines: { ...EMPTY.lines, grid: [1_000, 1_000, -1_000, -1_000, -1_000] } };
  expect(total(day, "grid", 1_800)).toEqual({ in_wh: 500, out_wh: 500 });
  expect(total(day, "sun", 1_800)).toEqual({ in_wh: 0, out_wh: 0 });
});

test("what happens now is added at the end, and never into the past", () => {
  const flow = { grid_w: 1, pv_w: -2, battery_w: null, house_w: 3, evses_w: 0 };
  const one = append(EMPTY, 10, flow);
  expect(one.lines).toEqual({ sun: [2], house: [3], cars: [0], battery: [null], grid: [1] });
  expect(append(one, 10, flow)).toBe(one);
  const recorded = append(append(EMPTY, 5, flow), 10, flow);
  expect(join(recorded, one)).toEqual(recorded);
  expect(join(recorded, append(one, 20, flow)).at_s).toEqual([5, 10, 20]);
});

test("the table has the mean of each begun hour", () => {
  const curve = fold([series("device:grid", [[0, 100], [1_800, 300], [3_600, 50]])], subjects(site), 0);
  expect(hours(curve, 0).map((row) => [row.from_ms, row.mean_w.grid, row.mean_w.sun])).toEqual([
    [0, 200, null],
    [3_600_000, 50, null],
  ]);
});

test("columns of several series come onto one grid, with what is between rows and without what is not", () => {
  const minute = 60_000;
  const grid = { from_ms: 1_000 * minute, to_ms: 1_100 * minute, count: 100 };
  const row = (at: number, least: number, greatest: number) => [(1_000 + at) * minute + 5_000, least, least, greatest, greatest];
  const lines = { sun: [], house: [], cars: ["evse:left", "evse:right"], battery: [], grid: [] };
  const curve = fromColumns(
    [
      { subject: "evse:left", quantity: "power", unit: "W", rows: [row(0, 100, 300), row(4, 600, 600), row(90, 50, 50)] },
      { subject: "evse:right", quantity: "power", unit: "W", rows: [row(2, 1_000, 1_000)] },
    ],
    lines,
    grid,
  );
  expect(curve.at_s.length).toBe(100);
  expect(curve.at_s[0]).toBe((1_000 * minute) / 1000 + 30);
  expect(curve.lines.cars.slice(0, 6)).toEqual([200, 300, 1_400, 500, 600, null]);
  expect(curve.lines.cars[90]).toBe(50);
  expect(curve.lines.grid.every((value) => value === null)).toBe(true);
  expect(fromColumns([], lines, grid)).toBe(EMPTY);
});

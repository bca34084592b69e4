// The curve of a day: history of many devices folded into five lines, and the energy below them. Pure.

import type { Flow, HistorySeries, SiteView } from "../api/types";
import type { Accent } from "./flow";

export const LINES: Accent[] = ["sun", "house", "cars", "battery", "grid"];

/** Mean power in W at each time. The sun is positive, the battery positive when charging, the grid when drawing. */
export interface Curve {
  /** Seconds since 1970, the middle of each step. */
  at_s: number[];
  lines: Record<Accent, (number | null)[]>;
}

/** The same made for each line. */
function eachLine<T>(make: (line: Accent) => T): Record<Accent, T> {
  return { sun: make("sun"), house: make("house"), cars: make("cars"), battery: make("battery"), grid: make("grid") };
}

export const EMPTY: Curve = { at_s: [], lines: eachLine(() => []) };

/** Which series make up each line. */
export function subjects(site: SiteView): Record<Accent, string[]> {
  const of = (pick: (device: SiteView["devices"][number]) => boolean) =>
    site.devices.filter((device) => device.enabled && pick(device)).map((device) => `device:${device.id}`);
  return {
    sun: of((device) => device.kind === "inverter"),
    house: [`site:${site.id}`],
    cars: site.evses.map((evse) => `evse:${evse.id}`),
    battery: of((device) => device.kind === "battery"),
    grid: of((device) => device.kind === "meter" && device.role === "grid"),
  };
}

/** Sums the series of each line, step by step. A step that no series of a line knows is a gap in it. */
export function fold(series: HistorySeries[], lines: Record<Accent, string[]>, step_s: number): Curve {
  const steps = new Set<number>();
  const sums = new Map<Accent, Map<number, number>>();
  for (const line of LINES) {
    const sum = new Map<number, number>();
    sums.set(line, sum);
    const sign = line === "sun" ? -1 : 1;
    for (const { subject, rows } of series) {
      if (!lines[line].includes(subject)) continue;
      for (const [at_ms, mean] of rows) {
        if (at_ms === undefined || mean === undefined) continue;
        steps.add(at_ms);
        sum.set(at_ms, (sum.get(at_ms) ?? 0) + sign * mean);
      }
    }
  }
  const at_ms = [...steps].sort((a, b) => a - b);
  return {
    at_s: at_ms.map((at) => at / 1000 + step_s / 2),
    lines: eachLine((line) => at_ms.map((at) => sums.get(line)?.get(at) ?? null)),
  };
}

/** The curve with what the site does now at its end. */
export function append(curve: Curve, at_s: number, flow: Flow): Curve {
  const last = curve.at_s.at(-1);
  if (last !== undefined && at_s <= last) return curve;
  const now: Record<Accent, number | null> = {
    sun: flow.pv_w === null ? null : -flow.pv_w,
    house: flow.house_w,
    cars: flow.evses_w,
    battery: flow.battery_w,
    grid: flow.grid_w,
  };
  return { at_s: [...curve.at_s, at_s], lines: eachLine((line) => [...curve.lines[line], now[line]]) };
}

/** The part of a curve after a time. */
export function after(curve: Curve, at_s: number): Curve {
  const start = curve.at_s.findIndex((at) => at > at_s);
  if (start < 0) return EMPTY;
  return { at_s: curve.at_s.slice(start), lines: eachLine((line) => curve.lines[line].slice(start)) };
}

/** The recorded curve, and behind it what the page has seen since. */
export function join(recorded: Curve, seen: Curve): Curve {
  const newer = after(seen, recorded.at_s.at(-1) ?? 0);
  return {
    at_s: [...recorded.at_s, ...newer.at_s],
    lines: eachLine((line) => [...recorded.lines[line], ...newer.lines[line]]),
  };
}

/** Energy that went each way, in Wh. */
export interface Total {
  in_wh: number;
  out_wh: number;
}

/** Integrates a line between neighbouring times. A pause longer than two steps counts as unknown, not as a ramp. */
export function total(curve: Curve, line: Accent, step_s: number): Total {
  const sum: Total = { in_wh: 0, out_wh: 0 };
  for (let i = 1; i < curve.at_s.length; i += 1) {
    const [a, b] = [curve.lines[line][i - 1], curve.lines[line][i]];
    const hours = ((curve.at_s[i] ?? 0) - (curve.at_s[i - 1] ?? 0)) / 3600;
    if (a == null || b == null || hours > (2 * step_s) / 3600) continue;
    const wh = ((a + b) / 2) * hours;
    if (wh > 0) sum.in_wh += wh;
    else sum.out_wh -= wh;
  }
  return sum;
}

export interface HourRow {
  from_ms: number;
  mean_w: Record<Accent, number | null>;
}

/** Mean power of each begun hour, for the table beside the picture. */
export function hours(curve: Curve, from_ms: number): HourRow[] {
  const rows: HourRow[] = [];
  const groups = new Map<number, number[]>();
  curve.at_s.forEach((at, index) => {
    const hour = Math.floor((at - from_ms / 1000) / 3600);
    groups.set(hour, [...(groups.get(hour) ?? []), index]);
  });
  for (const [hour, indexes] of groups) {
    const mean = (line: Accent) => {
      const known = indexes.flatMap((index) => curve.lines[line][index] ?? []);
      return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
    };
    rows.push({ from_ms: from_ms + hour * 3_600_000, mean_w: eachLine(mean) });
  }
  return rows;
}

/** What a picture of so many columns shows. */
export interface Grid {
  from_ms: number;
  to_ms: number;
  count: number;
}

/** Rows of a series further apart than this leave a gap. */
const GAP_MS = 20 * 60_000;

/**
 * Curves out of pixel columns, on one grid of times so that series can be added. A column shows the middle
 * between its least and its greatest value; between rows that are wider than a column the line goes straight.
 */
export function fromColumns(series: HistorySeries[], lines: Record<Accent, string[]>, grid: Grid): Curve {
  const step_ms = (grid.to_ms - grid.from_ms) / grid.count;
  const onGrid = ({ subject, rows }: HistorySeries): HistorySeries => {
    const points: number[][] = [];
    let before: [index: number, value: number] | null = null;
    for (const [at_ms = 0, , least = 0, greatest = least] of rows) {
      const index = Math.floor((at_ms - grid.from_ms) / step_ms);
      if (index < 0 || index >= grid.count || index === before?.[0]) continue;
      const value = (least + greatest) / 2;
      const [from, start] = before ?? [index, value];
      const is_gap = (index - from) * step_ms > Math.max(GAP_MS, 2 * step_ms);
      for (let between = is_gap ? index : from + 1; between < index; between += 1) {
        points.push([between, start + ((value - start) * (between - from)) / (index - from)]);
      }
      points.push([index, value]);
      before = [index, value];
    }
    return { subject, quantity: "power", unit: "W", rows: points };
  };
  const folded = fold(series.map(onGrid), lines, 0);
  const at = new Map(folded.at_s.map((time, place) => [Math.round(time * 1000), place]));
  const indexes = Array.from({ length: grid.count }, (_, index) => index);
  if (folded.at_s.length === 0) return EMPTY;
  return {
    at_s: indexes.map((index) => (grid.from_ms + (index + 0.5) * step_ms) / 1000),
    lines: eachLine((line) => indexes.map((index) => folded.lines[line][at.get(index) ?? -1] ?? null)),
  };
}

// Where energy came from and where it went, hour by hour, day by day or month by month. Pure.

import type { EnergySeries, SiteView } from "../api/types";
import { clock, localDate } from "../units";
import type { Span } from "./period";

export const SOURCES = ["sun", "battery", "grid"] as const;
export const USES = ["house", "cars", "battery", "grid"] as const;
export type Source = (typeof SOURCES)[number];
export type Use = (typeof USES)[number];

export interface Bucket {
  start_ms: number;
  end_ms: number;
  /** Whether everything in it was measured and it is over. */
  is_complete: boolean;
  /** In Wh; sources and uses add up to the same. */
  from: Record<Source, number>;
  to: Record<Use, number>;
}

/** What is asked for: the counters of everything that measures one of the parts. */
export interface Counters {
  sun: string[];
  grid_in: string[];
  grid_out: string[];
  battery_in: string[];
  battery_out: string[];
  cars: string[];
}

export function counters(site: SiteView): Counters {
  const of = (quantity: string, pick: (device: SiteView["devices"][number]) => boolean) =>
    site.devices.filter((device) => device.enabled && pick(device)).map((device) => `device:${device.id}.${quantity}`);
  const is_grid = (device: SiteView["devices"][number]) => device.kind === "meter" && device.role === "grid";
  const is_battery = (device: SiteView["devices"][number]) => device.kind === "battery";
  return {
    sun: of("energy_out", (device) => device.kind === "inverter"),
    grid_in: of("energy_in", is_grid),
    grid_out: of("energy_out", is_grid),
    battery_in: of("energy_in", is_battery),
    battery_out: of("energy_out", is_battery),
    cars: site.evses.map((evse) => `evse:${evse.id}.energy_in`),
  };
}

export function names(counters: Counters): string[] {
  return [...new Set(Object.values(counters).flat() as string[])];
}

/**
 * One bucket for each span of which any counter knows something: the server also lists those that are still to
 * come, as nothing, and not complete. What the house took is what is left of the balance.
 */
export function buckets(series: EnergySeries[], counters: Counters): Bucket[] {
  const spans = new Map<number, { end_ms: number; is_complete: boolean }>();
  const partly = new Set(series.flatMap(({ rows }) => rows.filter((row) => !row.complete).map((row) => row.start_ms)));
  for (const { rows } of series) {
    for (const { start_ms, end_ms, energy_wh, complete } of rows) {
      if (energy_wh === 0 && !complete) continue;
      spans.set(start_ms, { end_ms, is_complete: !partly.has(start_ms) });
    }
  }
  const sum = (names: string[], start_ms: number) =>
    series
      .filter((one) => names.includes(one.series))
      .reduce((all, one) => all + (one.rows.find((row) => row.start_ms === start_ms)?.energy_wh ?? 0), 0);
  return [...spans]
    .sort(([a], [b]) => a - b)
    .map(([start_ms, { end_ms, is_complete }]) => {
      const from = {
        sun: sum(counters.sun, start_ms),
        battery: sum(counters.battery_out, start_ms),
        grid: sum(counters.grid_in, start_ms),
      };
      const to = {
        cars: sum(counters.cars, start_ms),
        battery: sum(counters.battery_in, start_ms),
        grid: sum(counters.grid_out, start_ms),
      };
      const rest = from.sun + from.battery + from.grid - to.cars - to.battery - to.grid;
      return { start_ms, end_ms, is_complete, from, to: { house: Math.max(0, rest), ...to } };
    });
}

/** Where a bucket stands in its period: its hour, its day of the month, its month. */
export function position({ start_ms }: Bucket, span: Span, time_zone: string): string {
  if (span === "day") return clock(start_ms, time_zone);
  return localDate(start_ms, time_zone).slice(span === "month" ? 8 : 5, span === "month" ? 10 : 7);
}

/**
 * What of two periods can be compared: all of both when both were recorded from their beginning and are over,
 * else what stands at the same place in each, without the one that goes on.
 */
export function comparable(
  [now, before]: [Bucket[], Bucket[]],
  { is_running, are_whole }: { is_running: boolean; are_whole: boolean },
  at: (bucket: Bucket) => string,
): [Bucket[], Bucket[]] {
  if (are_whole && !is_running) return [now, before];
  const over = is_running ? now.slice(0, -1) : now;
  const places = new Set(over.map(at));
  const then = before.filter((bucket) => places.has(at(bucket)));
  const kept = new Set(then.map(at));
  return [over.filter((bucket) => kept.has(at(bucket))), then];
}

export type Totals = Pick<Bucket, "from" | "to">;

export function total(buckets: Bucket[]): Totals {
  const sum = (pick: (bucket: Bucket) => number) => buckets.reduce((all, bucket) => all + pick(bucket), 0);
  return {
    from: { sun: sum((b) => b.from.sun), battery: sum((b) => b.from.battery), grid: sum((b) => b.from.grid) },
    to: {
      house: sum((b) => b.to.house),
      cars: sum((b) => b.to.cars),
      battery: sum((b) => b.to.battery),
      grid: sum((b) => b.to.grid),
    },
  };
}

/** What house and cars took. */
export function used(totals: Totals): number {
  return totals.to.house + totals.to.cars;
}

/** The share of what was used that the grid did not bring, in thousandths; `null` when nothing was used. */
export function ownShare(totals: Totals): number | null {
  const all = used(totals);
  return all <= 0 ? null : Math.round(Math.min(1, Math.max(0, 1 - totals.from.grid / all)) * 1000);
}

/** The share of the sun's energy that was not fed in, in thousandths. */
export function keptShare(totals: Totals): number | null {
  const { sun } = totals.from;
  return sun <= 0 ? null : Math.round(Math.min(1, Math.max(0, 1 - totals.to.grid / sun)) * 1000);
}

/** The buckets as comma separated values: times in UTC, energies in Wh, the same in every language. */
export function csv(buckets: Bucket[]): string {
  const head = ["start", "end", "complete", ...SOURCES.map((name) => `from_${name}_wh`), ...USES.map((name) => `to_${name}_wh`)];
  const lines = buckets.map((bucket) => [
    new Date(bucket.start_ms).toISOString(),
    new Date(bucket.end_ms).toISOString(),
    bucket.is_complete,
    ...SOURCES.map((name) => Math.round(bucket.from[name])),
    ...USES.map((name) => Math.round(bucket.to[name])),
  ]);
  return [head, ...lines].map((cells) => `${cells.join(",")}\r\n`).join("");
}

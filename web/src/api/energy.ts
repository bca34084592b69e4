// Calls about history: energy of local days, and power reduced to pixels.

import { call, inParts, json, ofSite, query } from "./client";
import type { Energy, History, HistorySeries } from "./types";

export type Per = "hour" | "day" | "month" | "year";

/** Energy of series between two local days, the last one excluded. */
export async function energy(site: string, series: string[], from: string, to: string, per: Per): Promise<Energy> {
  const parts = await inParts(series, (part) =>
    json<Energy>(call("GET", ofSite(site, `energy${query({ series: part, from, to, per })}`))),
  );
  return { time_zone: parts[0]?.time_zone ?? "UTC", items: parts.flatMap((part) => part.items) };
}

/** Power of series in so many columns of pixels: first, least, greatest and last value of each. */
export async function columns(
  site: string,
  series: string[],
  from_ms: number,
  to_ms: number,
  count: number,
): Promise<HistorySeries[]> {
  const parts = await inParts(series, (part) =>
    json<History>(
      call("GET", ofSite(site, `history${query({ series: part, from_ms, to_ms, columns: count })}`)),
    ),
  );
  return parts.flatMap((part) => part.series);
}

/** Where the same is found as a file. */
export function historyCsv(site: string, series: string[], from_ms: number, to_ms: number, step_s: number): string {
  return `/api/v1${ofSite(site, `history.csv${query({ series: series.join(","), from_ms, to_ms, step_s })}`)}`;
}

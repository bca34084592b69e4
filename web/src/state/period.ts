// Days, months and years of the site's calendar, as local days. Pure.

import { dayStart, localDate, spanName } from "../units";

export type Span = "day" | "month" | "year";
export const SPANS: Span[] = ["day", "month", "year"];

export interface Period {
  span: Span;
  /** The first local day, `2026-11-01`. */
  from: string;
  /** The first local day after it. */
  to: string;
}

const DAY_MS = 86_400_000;

/** The period of this length that holds a local day. */
export function holding(day: string, span: Span): Period {
  const [year = "1970", month = "01"] = day.split("-");
  const from = span === "day" ? day : span === "month" ? `${year}-${month}-01` : `${year}-01-01`;
  return { span, from, to: shifted(from, span, 1) };
}

/** So many periods later, or earlier. */
export function step(period: Period, count: number): Period {
  return holding(shifted(period.from, period.span, count), period.span);
}

export function name(period: Period): string {
  return spanName(period.span, period.from);
}

export function holds(period: Period, day: string): boolean {
  return period.from <= day && day < period.to;
}

/** When it begins and ends; a day of changing clocks has 23 or 25 hours. */
export function bounds(period: Period, time_zone: string): { from_ms: number; to_ms: number } {
  return { from_ms: dayStart(period.from, time_zone), to_ms: dayStart(period.to, time_zone) };
}

export function today(now_ms: number, time_zone: string): string {
  return localDate(now_ms, time_zone);
}

/** A local day from an address bar, or `null` when it is none. */
export function parse(text: string | undefined): string | null {
  const full = /^\d{4}$/.test(text ?? "") ? `${text}-01-01` : /^\d{4}-\d{2}$/.test(text ?? "") ? `${text}-01` : text;
  if (full === undefined || !/^\d{4}-\d{2}-\d{2}$/.test(full)) return null;
  const at_ms = Date.parse(`${full}T00:00:00Z`);
  return Number.isNaN(at_ms) || new Date(at_ms).toISOString().slice(0, 10) !== full ? null : full;
}

function shifted(day: string, span: Span, count: number): string {
  const at = new Date(`${day}T00:00:00Z`);
  if (span === "day") at.setTime(at.getTime() + count * DAY_MS);
  else if (span === "month") at.setUTCMonth(at.getUTCMonth() + count);
  else at.setUTCFullYear(at.getUTCFullYear() + count);
  return at.toISOString().slice(0, 10);
}

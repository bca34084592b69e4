// What the solar page shows: the curve of today beside a clear sky, the days of a year, and what they were worth. Pure.

import type { Alarm, AlarmList, EnergySeries, HistorySeries, SolarExpected, SolarPeriod, SolarView } from "../api/types";
import { localDate } from "../units";

/** Of the curves of today. */
export const STEP_S = 300;

/** A device has sun when it is an inverter in use. */
export function hasSun(devices: { kind: string; enabled: boolean }[]): boolean {
  return devices.some(({ kind, enabled }) => kind === "inverter" && enabled);
}

export interface TodayCurve {
  /** Seconds since 1970, the middle of each step from midnight to midnight. */
  at_s: number[];
  /** In kW, the sun positive; `null` where nothing is known. */
  actual: (number | null)[];
  expected: (number | null)[];
}

/** Both curves over the same steps. What is drawn as actual is of the same inverters that something is expected of. */
export function todayCurve(
  series: HistorySeries[],
  expected: SolarExpected | null,
  { from_ms, to_ms }: { from_ms: number; to_ms: number },
): TodayCurve {
  const step_ms = STEP_S * 1000;
  const count = Math.max(0, Math.round((to_ms - from_ms) / step_ms));
  const watts = new Array<number | null>(count).fill(null);
  for (const { rows } of series) {
    for (const [at_ms, mean] of rows) {
      if (at_ms === undefined || mean === undefined) continue;
      const step = Math.floor((at_ms - from_ms) / step_ms);
      if (step >= 0 && step < count) watts[step] = (watts[step] ?? 0) - mean;
    }
  }
  const kw = (value: number | null) => (value === null ? null : Math.max(0, value) / 1000);
  const steps = [...watts.keys()];
  const clear = (step: number) => expected?.power_w[step] ?? 0;
  // The night is no line at zero.
  const is_day = (step: number) => clear(step - 1) + clear(step) + clear(step + 1) > 0;
  return {
    at_s: steps.map((step) => (from_ms + (step + 0.5) * step_ms) / 1000),
    actual: watts.map(kw),
    expected: steps.map((step) => (is_day(step) ? kw(clear(step)) : null)),
  };
}

export interface Comparison {
  /** How much of a clear sky came, in thousandths. */
  share_permille: number;
  produced_wh: number;
  expected_wh: number;
  /** Only what was recorded is compared: there were gaps, or the day had begun before us. */
  is_part: boolean;
}

/** Where less of the expectation than this was recorded, only what was is compared. */
const COVERED = 0.95;

/** What came so far beside what was expected; `null` while next to nothing is to be compared. */
export function compared(expected: SolarExpected | null, curve: TodayCurve): Comparison | null {
  if (expected === null) return null;
  const wh = (pick: (step: number) => number | null) =>
    curve.actual.reduce((sum: number, actual, step) => sum + (actual === null ? 0 : ((pick(step) ?? 0) * 1000 * STEP_S) / 3600), 0);
  const recorded_wh = wh((step) => curve.expected[step] ?? null);
  const is_part = recorded_wh < expected.so_far_wh * COVERED;
  const expected_wh = is_part ? recorded_wh : expected.so_far_wh;
  const produced_wh = is_part ? wh((step) => curve.actual[step] ?? null) : expected.produced_wh;
  if (expected_wh <= 0 || expected_wh < expected.day_wh / 100) return null;
  return { share_permille: Math.round((produced_wh / expected_wh) * 1000), produced_wh, expected_wh, is_part };
}

// --- a year of days ---

export interface Day {
  /** The local day, `2026-08-03`. */
  date: string;
  /** `null`: nothing is known. */
  wh: number | null;
  /** Measured all the way, and over. */
  is_complete: boolean;
  /** 0 for nothing, then 1 to [`LEVELS`] by how much of the best day of the year. */
  level: number;
}

export const LEVELS = 5;

/** The days of a year by month: what all inverters brought together. */
export function yearOfDays(year: number, series: EnergySeries[], time_zone: string): Day[][] {
  const sums = new Map<string, { wh: number; is_complete: boolean }>();
  for (const { rows } of series) {
    for (const { start_ms, energy_wh, complete } of rows) {
      // The server lists days of which nothing is known as nothing, and not complete.
      if (energy_wh === 0 && !complete) continue;
      const date = localDate(start_ms, time_zone);
      const before = sums.get(date) ?? { wh: 0, is_complete: true };
      sums.set(date, { wh: before.wh + energy_wh, is_complete: before.is_complete && complete });
    }
  }
  const best = Math.max(0, ...[...sums.values()].map(({ wh }) => wh));
  return Array.from({ length: 12 }, (_month, month) =>
    Array.from({ length: lengthOf(year, month + 1) }, (_day, day): Day => {
      const date = dateOf(year, month + 1, day + 1);
      const sum = sums.get(date);
      if (sum === undefined) return { date, wh: null, is_complete: false, level: 0 };
      return { date, ...sum, level: levelOf(sum.wh, best) };
    }),
  );
}

/** Even a poor day is told from one without sun. */
export function levelOf(wh: number, best: number): number {
  if (wh <= 0 || best <= 0) return 0;
  return Math.min(LEVELS, Math.max(1, Math.ceil((wh / best) * LEVELS)));
}

export interface MonthSum {
  month: number;
  wh: number;
  days: number;
  best: Day;
}

/** Months of which something is known. */
export function monthSums(months: Day[][]): MonthSum[] {
  return months.flatMap((days, index) => {
    const known = days.filter((day) => day.wh !== null);
    const [first, ...rest] = known;
    if (first === undefined) return [];
    const best = rest.reduce((best, day) => ((day.wh ?? 0) > (best.wh ?? 0) ? day : best), first);
    const wh = known.reduce((sum, day) => sum + (day.wh ?? 0), 0);
    return [{ month: index + 1, wh, days: known.length, best }];
  });
}

function lengthOf(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function dateOf(year: number, month: number, day: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${year}-${two(month)}-${two(day)}`;
}

/** The day that a key leads to, within its year; `null` for a key that leads nowhere. */
export function dayByKey(date: string, key: string): string | null {
  const [year = 1970, month = 1, day = 1] = date.split("-").map(Number);
  const at = (month: number, day: number) =>
    month < 1 || month > 12 ? date : dateOf(year, month, Math.min(Math.max(1, day), lengthOf(year, month)));
  const shifted = (days: number) => {
    const moved = new Date(Date.UTC(year, month - 1, day + days)).toISOString().slice(0, 10);
    return moved.startsWith(`${year}-`) ? moved : date;
  };
  switch (key) {
    case "ArrowLeft":
      return shifted(-1);
    case "ArrowRight":
      return shifted(1);
    case "ArrowUp":
      return at(month - 1, day);
    case "ArrowDown":
      return at(month + 1, day);
    case "Home":
      return at(month, 1);
    case "End":
      return at(month, 31);
    default:
      return null;
  }
}

// --- data loggers ---

export const SIGNAL_BARS = 4;
/** From where on each further bar is drawn, in dBm. */
const BARS_FROM = [-85, -75, -67, -60];

/** How many bars a signal is worth; `null` when nothing says how strong it is. */
export function signalBars(dbm: number | null): number | null {
  return dbm === null ? null : BARS_FROM.filter((least) => dbm >= least).length;
}

// --- what it was worth ---

export const PERIODS = ["today", "month", "year", "total"] as const;
export type PeriodName = (typeof PERIODS)[number];

/** What of the sun's energy stayed at the site, in thousandths; `null` before the ledger has any. */
export function keptShare(period: SolarPeriod): number | null {
  if (period.booked_wh <= 0) return null;
  return Math.round((1 - period.fed_in_wh / period.booked_wh) * 1000);
}

export interface Sum {
  currency: string;
  micros: number;
}

/** Saved and earned together, by currency. */
export function gains({ money }: SolarPeriod): Sum[] {
  return money.map(({ currency, saved_micros, earned_micros }) => ({ currency, micros: saved_micros + earned_micros }));
}

/** Whether some of what was produced is not in the ledger: it was there before us. */
export function isOlder(view: SolarView, name: PeriodName): boolean {
  const { produced_wh, booked_wh } = view[name];
  return produced_wh - booked_wh > Math.max(1_000, produced_wh / 50);
}

/** So many parts of a list are looked through at most. */
const MOST_PARTS = 20;

/** The newest alarms of some devices that are over: many of others may stand between them. */
export async function lately(ask: (cursor: string | null) => Promise<AlarmList>, is_meant: (alarm: Alarm) => boolean, wanted: number): Promise<Alarm[]> {
  const found: Alarm[] = [];
  let cursor: string | null = null;
  for (let parts = 0; parts < MOST_PARTS; parts += 1) {
    const part: AlarmList = await ask(cursor);
    found.push(...part.items.filter((alarm) => alarm.cleared_ms !== null && is_meant(alarm)));
    cursor = part.next ?? null;
    if (found.length >= wanted || cursor === null) break;
  }
  return found.slice(0, wanted);
}

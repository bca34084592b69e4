// What an authority sees of its operators: ports by state, stations on a map, days of reports, and forms. Pure.

import type { OperatorBody, OperatorGlance, OperatorView, PortLook, Quality, StationPin } from "../api/oversight";
import { dayStart, typed } from "../units";
import { required, type Problems } from "./forms";

/** In the order of a bar: what charges, what may, what cannot. */
export const LOOKS: PortLook[] = ["charging", "occupied", "complete", "reserved", "idle", "other", "fault", "offline", "never"];

export interface Segment {
  look: PortLook;
  count: number;
}

/** What there is of each state; states without a port are left out. */
export function segments(looks: Record<string, number>): Segment[] {
  return LOOKS.map((look) => ({ look, count: looks[look] ?? 0 })).filter(({ count }) => count > 0);
}

/** How bad it is at a station, the worst first. */
export const MARKS = ["danger", "trouble", "offline", "silent", "fine"] as const;
export type Mark = (typeof MARKS)[number];

export function mark({ looks, risk }: Pick<StationPin, "looks" | "risk">): Mark {
  const has = (look: PortLook) => (looks[look] ?? 0) > 0;
  if (risk === "high") return "danger";
  if (risk === "medium" || has("fault")) return "trouble";
  if (has("offline")) return "offline";
  const heard = segments(looks).some(({ look }) => look !== "never");
  return heard ? "fine" : "silent";
}

export function worst(marks: Mark[]): Mark {
  return MARKS.find((one) => marks.includes(one)) ?? "fine";
}

/** Share of what was reported that was of use, in thousandths; `null` when nothing was. */
export function goodShare({ kept, failed, late, findings }: Quality): number | null {
  const all = kept + failed;
  if (all === 0) return null;
  const bad = failed + late + (findings["contradictory"] ?? 0);
  return Math.max(0, Math.floor(((all - Math.min(all, bad)) * 1_000) / all));
}

export interface Totals {
  stations: number;
  ports: number;
  stale: number;
  looks: Record<string, number>;
  warnings: number;
  energy_wh: number;
  money_micros: number;
}

export function totals(operators: OperatorGlance[]): Totals {
  const sum = (pick: (one: OperatorGlance) => number) => operators.reduce((all, one) => all + pick(one), 0);
  return {
    stations: sum(({ tally }) => tally.stations),
    ports: sum(({ tally }) => tally.ports),
    stale: sum(({ tally }) => tally.stale),
    looks: Object.fromEntries(LOOKS.map((look) => [look, sum(({ tally }) => tally.looks[look] ?? 0)])),
    warnings: sum(openWarnings),
    energy_wh: sum((one) => one.energy_wh),
    money_micros: sum(money),
  };
}

export function openWarnings({ warnings }: OperatorGlance): number {
  return Object.values(warnings).reduce((all, count) => all + count, 0);
}

export function money({ energy_cost_micros, service_cost_micros }: Pick<OperatorGlance, "energy_cost_micros" | "service_cost_micros">): number {
  return energy_cost_micros + service_cost_micros;
}

// --- the map ---

/** Part of the world in degrees. */
export interface Cut {
  west: number;
  east: number;
  south: number;
  north: number;
}

export interface Placed {
  pin: StationPin;
  longitude: number;
  latitude: number;
}

const METRES_PER_DEGREE = 111_195;
/** A single station is shown with so much around it. */
const LEAST_METRES = 400;
const EDGE = 0.06;

/** Stations whose place is told; the others are in the list alone. */
export function placed(pins: StationPin[]): Placed[] {
  return pins.flatMap((pin) => {
    const { longitude_udeg, latitude_udeg } = pin;
    if (longitude_udeg == null || latitude_udeg == null) return [];
    const [longitude, latitude] = [longitude_udeg / 1e6, latitude_udeg / 1e6];
    return Math.abs(longitude) > 180 || Math.abs(latitude) > 90 ? [] : [{ pin, longitude, latitude }];
  });
}

/** What holds all of them, or `null` when there is none. */
export function around(places: Placed[]): Cut | null {
  if (places.length === 0) return null;
  const cut = { west: Infinity, east: -Infinity, south: Infinity, north: -Infinity };
  for (const { longitude, latitude } of places) {
    cut.west = Math.min(cut.west, longitude);
    cut.east = Math.max(cut.east, longitude);
    cut.south = Math.min(cut.south, latitude);
    cut.north = Math.max(cut.north, latitude);
  }
  return cut;
}

export interface Tick {
  at: number;
  text: string;
}

export interface Plan {
  x: (longitude: number) => number;
  y: (latitude: number) => number;
  longitudes: Tick[];
  latitudes: Tick[];
  bar: { metres: number; pixels: number };
}

/** How a cut lies on so many pixels: a metre is as long in both directions, and everything fits. */
export function plan(cut: Cut, width: number, height: number): Plan {
  const [middle_x, middle_y] = [(cut.west + cut.east) / 2, (cut.south + cut.north) / 2];
  // Near a pole a degree of longitude is next to nothing; nobody charges there.
  const shrink = Math.max(0.05, Math.cos((middle_y * Math.PI) / 180));
  const wide = Math.max((cut.east - cut.west) * METRES_PER_DEGREE * shrink, LEAST_METRES);
  const high = Math.max((cut.north - cut.south) * METRES_PER_DEGREE, LEAST_METRES);
  const per_metre = Math.min(width / wide, height / high) * (1 - 2 * EDGE);
  const [per_longitude, per_latitude] = [per_metre * METRES_PER_DEGREE * shrink, per_metre * METRES_PER_DEGREE];
  const x = (longitude: number) => width / 2 + (longitude - middle_x) * per_longitude;
  const y = (latitude: number) => height / 2 - (latitude - middle_y) * per_latitude;
  const metres = nice((width * 0.28) / per_metre);
  return {
    x,
    y,
    longitudes: ticks(middle_x - width / 2 / per_longitude, middle_x + width / 2 / per_longitude, Math.max(2, width / 130)),
    latitudes: ticks(middle_y - height / 2 / per_latitude, middle_y + height / 2 / per_latitude, Math.max(2, height / 90)),
    bar: { metres, pixels: metres * per_metre },
  };
}

/** The greatest of 1, 2 and 5 times a power of ten that is not above it. */
export function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [5, 2, 1].find((step) => step * power <= value * (1 + 1e-9)) ?? 1;
  return step * power;
}

/** At round degrees, at most about so many. */
function ticks(from: number, to: number, most: number): Tick[] {
  const least = (to - from) / most;
  let step = nice(least);
  while (step < least) step = nice(step * 2.5);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found: Tick[] = [];
  for (let count = Math.ceil(from / step); count * step <= to; count += 1) {
    const at = count * step;
    found.push({ at, text: `${at.toFixed(digits).replace(/^-(?=[0.]+$)/, "").replace("-", "−")}°` });
  }
  return found;
}

/** Stations that lie so close that they are one dot. */
export interface Dot {
  x: number;
  y: number;
  places: Placed[];
  mark: Mark;
}

/** Dots no nearer to each other than a cell, from top to bottom. */
export function dots(places: Placed[], { x, y }: Plan, width: number, height: number, cell: number): Dot[] {
  const cells = new Map<string, Placed[]>();
  for (const place of places) {
    const [left, top] = [x(place.longitude), y(place.latitude)];
    if (left < 0 || left > width || top < 0 || top > height) continue;
    const key = `${Math.floor(left / cell)} ${Math.floor(top / cell)}`;
    const there = cells.get(key);
    if (there) there.push(place);
    else cells.set(key, [place]);
  }
  const mean = (list: number[]) => list.reduce((sum, one) => sum + one, 0) / list.length;
  return [...cells.values()]
    .map((places) => ({
      x: mean(places.map(({ longitude }) => x(longitude))),
      y: mean(places.map(({ latitude }) => y(latitude))),
      places,
      mark: worst(places.map(({ pin }) => mark(pin))),
    }))
    .toSorted((a, b) => a.y - b.y || a.x - b.x);
}

const DIRECTIONS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Which dot an arrow key leads to: the nearest on that side, the same one when there is none. */
export function neighbour(dots: Pick<Dot, "x" | "y">[], from: number, key: string): number | null {
  const direction = DIRECTIONS[key];
  const here = dots[from];
  if (direction === undefined || here === undefined) return null;
  let [best, least] = [from, Infinity];
  dots.forEach(({ x, y }, index) => {
    const [dx, dy] = [x - here.x, y - here.y];
    const ahead = dx * direction[0] + dy * direction[1];
    const aside = Math.abs(dx * direction[1]) + Math.abs(dy * direction[0]);
    // What lies far aside is reached by the other keys.
    if (index === from || ahead <= 0 || ahead < aside) return;
    const cost = ahead + 2 * aside;
    if (cost < least) [best, least] = [index, cost];
  });
  return best;
}

// --- days ---

const DAY_MS = 86_400_000;

/** So many days up to this one, as the first and the last. */
export function daysUpTo(day: string, count: number): { from: string; to: string } {
  const from = new Date(Date.parse(`${day}T00:00:00Z`) - (count - 1) * DAY_MS);
  return { from: from.toISOString().slice(0, 10), to: day };
}

/** A wall clock such as `2026-11-28T14:05:09` as a moment; `null` when it is none. */
export function momentOf(wall: string, time_zone: string): number | null {
  const [, day, hour, minute, second = "0"] = /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(wall) ?? [];
  if (day === undefined || Number.isNaN(Date.parse(wall))) return null;
  return dayStart(day, time_zone) + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000;
}

/** What is wrong with the time of a sample that is asked for; operators keep a day of them. */
export function pastProblems(wall: string, time_zone: string, now_ms: number): Problems {
  const at_ms = momentOf(wall, time_zone);
  if (at_ms === null) return { at: "oversight.past_wrong" };
  return { at: at_ms > now_ms || now_ms - at_ms > DAY_MS ? "oversight.past_span" : undefined };
}

// --- numbered pages ---

export function pageCount(total: number, size: number): number {
  return Math.max(1, Math.ceil(total / Math.max(1, size)));
}

/** A page number of an address bar. */
export function pageOf(text: string | undefined): number {
  const page = Number(text);
  return Number.isInteger(page) && page > 0 ? page : 1;
}

// --- operators ---

export interface OperatorDraft {
  id: string;
  name: string;
  secret: string;
  suspended: boolean;
  local: boolean;
  digest: OperatorView["digest"];
  always_200: boolean;
  duplicates: OperatorView["duplicates"];
  cascade: boolean;
  delete_missing_fails: boolean;
  strict: boolean;
  /** One to a line: `theirs = ours`. */
  field_names: string;
}

export function operatorDraft(operator: OperatorView | null): OperatorDraft {
  return {
    id: operator?.id ?? "",
    name: operator?.name ?? "",
    secret: "",
    suspended: operator?.suspended ?? false,
    local: operator?.local ?? false,
    digest: operator?.digest ?? "sha256",
    always_200: operator?.always_200 ?? false,
    duplicates: operator?.duplicates ?? "refuse",
    cascade: operator?.cascade ?? false,
    delete_missing_fails: operator?.delete_missing_fails ?? false,
    strict: operator?.strict ?? false,
    field_names: Object.entries(operator?.field_names ?? {}).map(([theirs, ours]) => `${theirs} = ${ours}`).join("\n"),
  };
}

const LONGEST_NAME = 128;

export function operatorProblems(draft: OperatorDraft, taken: string[] | null): Problems {
  const is_new = taken !== null;
  return {
    id: !is_new ? undefined : taken.includes(draft.id.trim()) ? "form.taken" : /^[\x21-\x7e]{1,64}$/.test(draft.id.trim()) ? undefined : "oversight.id_wrong",
    name: required(draft.name) ?? ([...draft.name.trim()].length > LONGEST_NAME ? "oversight.name_long" : undefined),
    secret: draft.secret === "" || /^[\x21-\x7e]{8,128}$/.test(draft.secret) ? undefined : "oversight.secret_wrong",
    field_names: namesOf(draft.field_names) === null ? "oversight.names_wrong" : undefined,
  };
}

export function operatorBody(draft: OperatorDraft, is_new: boolean): OperatorBody {
  return {
    ...(is_new ? { id: draft.id.trim() } : {}),
    name: draft.name.trim(),
    suspended: draft.suspended,
    local: draft.local,
    digest: draft.digest,
    always_200: draft.always_200,
    duplicates: draft.duplicates,
    cascade: draft.cascade,
    delete_missing_fails: draft.delete_missing_fails,
    strict: draft.strict,
    field_names: namesOf(draft.field_names) ?? {},
    ...(is_new && draft.secret !== "" ? { secret: draft.secret } : {}),
  };
}

function namesOf(text: string): Record<string, string> | null {
  const names: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const [theirs = "", ours = "", ...rest] = line.split("=").map((part) => part.trim());
    const fits = [theirs, ours].every((name) => name !== "" && new TextEncoder().encode(name).length <= 64);
    if (rest.length > 0 || !fits || Object.hasOwn(names, theirs)) return null;
    names[theirs] = ours;
  }
  return Object.keys(names).length > 100 ? null : names;
}

const LONGEST_OVERLAP_H = 720;

/** How long two keys hold, in hours. */
export function overlapProblems(hours: string): Problems {
  const value = typed(hours, 1);
  if (value === null) return { overlap: "form.number" };
  return { overlap: value < 0 || value > LONGEST_OVERLAP_H ? "form.range" : undefined };
}

export function addressProblems(url: string, is_local: boolean): Problems {
  if (url.trim() === "") return { url: "form.required" };
  const scheme = URL.canParse(url.trim()) ? new URL(url.trim()).protocol : "";
  if (scheme === "https:" || (scheme === "http:" && is_local)) return {};
  return { url: is_local ? "form.url" : "oversight.https" };
}

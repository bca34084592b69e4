// What the energy picture shows: nodes, what flows through each, and where the ribbons go. Pure.
//
// Sources stand on one side of the busbar, consumers on the other. A ribbon's width is its share of what
// goes through the bar, so that what comes in on one side can be seen going out on the other.

import type { EvseView, Flow, SiteView } from "../api/types";
import { shownSun } from "../units";

export type Side = "supply" | "use";
export type Accent = "sun" | "grid" | "battery" | "house" | "cars";

export interface FlowNode {
  key: string;
  accent: Accent;
  side: Side;
  name: string | null;
  /** Power into the busbar: negative when the node takes. `null` when unknown. */
  into_bar_w: number | null;
  soc_permille: number | null;
  /** The EVSE behind the node, when it stands for one. */
  evse: EvseView | null;
}

/** Below this a flow is noise and is drawn as at rest. */
export const REST_W = 15;
/** More EVSEs than this share one node. */
const MAX_CAR_NODES = 3;

function negated(value: number | null): number | null {
  return value === null ? null : -value;
}

function node(key: string, accent: Accent, side: Side, into_bar_w: number | null): FlowNode {
  return { key, accent, side, name: null, into_bar_w, soc_permille: null, evse: null };
}

/** The mean state of charge of the batteries that tell theirs. */
function stateOfCharge(site: SiteView): number | null {
  const known = site.devices
    .filter((device) => device.kind === "battery")
    .flatMap((device) => device.measured.soc_permille ?? []);
  return known.length === 0 ? null : Math.round(known.reduce((sum, soc) => sum + soc, 0) / known.length);
}

/** The nodes of a site. They follow what is installed, not what is measured: nothing jumps when a meter is silent. */
export function nodes(site: SiteView): FlowNode[] {
  const has = (kind: string) => site.devices.some((device) => device.kind === kind);
  const { flow } = site;
  const list: FlowNode[] = [];
  if (has("inverter") || flow.pv_w !== null) list.push(node("sun", "sun", "supply", shownSun(flow.pv_w)));
  list.push(node("grid", "grid", "supply", flow.grid_w));
  if (has("battery") || flow.battery_w !== null) {
    list.push({ ...node("battery", "battery", "supply", negated(flow.battery_w)), soc_permille: stateOfCharge(site) });
  }
  list.push(node("house", "house", "use", negated(flow.house_w)));
  if (site.evses.length > MAX_CAR_NODES) {
    list.push(node("cars", "cars", "use", -flow.evses_w));
  } else {
    for (const evse of site.evses) {
      list.push({ ...node(`evse ${evse.id}`, "cars", "use", evse.online ? -evse.power_w : null), name: evse.name, evse });
    }
  }
  return list;
}

/** How much of what is used now does not come from the grid, in thousandths. `null` when it cannot be told. */
export function ownShare(flow: Flow): number | null {
  if (flow.grid_w === null || flow.house_w === null) return null;
  const used = Math.max(0, flow.house_w) + flow.evses_w + Math.max(0, flow.battery_w ?? 0);
  if (used < REST_W) return null;
  return Math.round(1_000 * Math.min(1, Math.max(0, 1 - Math.max(0, flow.grid_w) / used)));
}

export interface Point {
  x: number;
  y: number;
}

export interface Ribbon {
  /** The ribbon's outline. */
  area: string;
  /** Its middle from node to bar: start, two points that bend it, end. */
  curve: [Point, Point, Point, Point];
  width: number;
  /** Towards the bar, away from it, or not at all. */
  direction: 1 | -1 | 0;
  /** A place in the middle for an arrow, and where it points, in degrees. */
  arrow: Point & { angle: number };
}

export interface Placed {
  node: FlowNode;
  at: Point;
  ribbon: Ribbon;
}

export interface Bar {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A piece of the bar in the colour of what feeds it, as a part of its length. */
export interface Piece {
  accent: Accent;
  from: number;
  to: number;
}

export interface Picture {
  placed: Placed[];
  bar: Bar;
  /** What the power in the bar is made of. */
  pieces: Piece[];
}

export interface Frame {
  width: number;
  height: number;
  /** On a narrow page the bar lies and the sources stand above it. */
  is_upright: boolean;
  radius: number;
  /** Distance from the bar to the middle of the nodes. */
  reach: number;
}

const BAR_THICKNESS = 12;
const BAR_REST = 26;
const BAR_MOST = 132;
/** What fills the bar; larger sites reach it and stay. */
const FULL_W = 22_000;

const size = (item: FlowNode) => {
  const watts = Math.abs(item.into_bar_w ?? 0);
  return watts < REST_W ? 0 : watts;
};

function sum(list: FlowNode[], value: (item: FlowNode) => number): number {
  return list.reduce((total, item) => total + value(item), 0);
}

/** Lays out nodes and ribbons in a frame. */
export function picture(list: FlowNode[], frame: Frame): Picture {
  const sides: Record<Side, FlowNode[]> = {
    supply: list.filter((item) => item.side === "supply"),
    use: list.filter((item) => item.side === "use"),
  };
  const through = Math.max(sum(sides.supply, size), sum(sides.use, size));
  const length = BAR_REST + (BAR_MOST - BAR_REST) * Math.sqrt(Math.min(1, through / FULL_W));
  const px_per_w = through === 0 ? 0 : (length - 8) / through;
  // Along the bar, and across it: swapped when the bar lies.
  const along = frame.is_upright ? frame.height : frame.width;
  const middle = { along: along / 2, across: (frame.is_upright ? frame.width : frame.height) / 2 };

  const placed = (["supply", "use"] as const).flatMap((side) =>
    place(sides[side], side, frame, { along, px_per_w, middle }),
  );
  const start = middle.along - length / 2;
  const edge = middle.across - BAR_THICKNESS / 2;
  const bar = frame.is_upright
    ? { x: edge, y: start, width: BAR_THICKNESS, height: length }
    : { x: start, y: edge, width: length, height: BAR_THICKNESS };
  return { placed, bar, pieces: pieces(list) };
}

interface Field {
  along: number;
  px_per_w: number;
  middle: { along: number; across: number };
}

function place(list: FlowNode[], side: Side, frame: Frame, field: Field): Placed[] {
  const sign = side === "supply" ? -1 : 1;
  const gap = field.along / list.length;
  let stacked = field.middle.along - (sum(list, size) * field.px_per_w) / 2;
  return list.map((item, index) => {
    const width = size(item) * field.px_per_w;
    const from = { along: gap * (index + 0.5), across: field.middle.across + sign * frame.reach };
    const to = { along: stacked + width / 2, across: field.middle.across + (sign * BAR_THICKNESS) / 2 };
    stacked += width;
    const start = { ...from, across: from.across - sign * frame.radius };
    const point = (at: { along: number; across: number }): Point =>
      frame.is_upright ? { x: at.across, y: at.along } : { x: at.along, y: at.across };
    return { node: item, at: point(from), ribbon: ribbon(item, start, to, width, point) };
  });
}

type Spot = { along: number; across: number };

function ribbon(item: FlowNode, start: Spot, end: Spot, width: number, point: (at: Spot) => Point): Ribbon {
  const bend = (start.across + end.across) / 2;
  const curve = (a: Spot, b: Spot) => {
    const [p, q, r] = [point({ ...a, across: bend }), point({ ...b, across: bend }), point(b)];
    return `C${n(p.x)} ${n(p.y)} ${n(q.x)} ${n(q.y)} ${n(r.x)} ${n(r.y)}`;
  };
  const moved = (at: Spot, by: number) => ({ ...at, along: at.along + by });
  const at = (spot: Spot) => `${n(point(spot).x)} ${n(point(spot).y)}`;
  // A ribbon is narrower at its node than a disc is wide, however much flows.
  const half = { start: Math.min(width, 44) / 2, end: width / 2 };
  const area =
    `M${at(moved(start, -half.start))}${curve(moved(start, -half.start), moved(end, -half.end))}` +
    `L${at(moved(end, half.end))}${curve(moved(end, half.end), moved(start, half.start))}Z`;
  const centre = point({ along: (start.along + end.along) / 2, across: bend });
  const direction = size(item) === 0 ? 0 : (item.into_bar_w ?? 0) > 0 ? 1 : -1;
  const [from, to] = [point(start), point(end)];
  // Half way along such a curve its slope is one and a half times that of the chord, across half of it.
  const slope = { x: to.x - from.x, y: to.y - from.y };
  const is_upright = point({ along: 0, across: 1 }).x === 1;
  const tangent = is_upright ? { x: slope.x, y: slope.y * 2 } : { x: slope.x * 2, y: slope.y };
  const angle = (Math.atan2(tangent.y * (direction || 1), tangent.x * (direction || 1)) * 180) / Math.PI;
  return {
    area,
    curve: [point(start), point({ ...start, across: bend }), point({ ...end, across: bend }), point(end)],
    width,
    direction,
    arrow: { ...centre, angle: Math.round(angle * 10) / 10 },
  };
}

/** What feeds the bar, in the order of its nodes; nothing when nothing flows. */
function pieces(list: FlowNode[]): Piece[] {
  const feeding = list.filter((item) => size(item) > 0 && (item.into_bar_w ?? 0) > 0);
  const total = sum(feeding, size);
  let from = 0;
  return feeding.map((item) => {
    const to = from + size(item) / total;
    const piece = { accent: item.accent, from, to };
    from = to;
    return piece;
  });
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

// What a chart is told to draw. Nothing here knows how.

import type { Accent } from "./flow";
import type { Window } from "./zoom";

/** One line, one layer of bars, or the outlines of others. */
export interface Trace {
  /** A name of the theme's colours. */
  colour: string;
  /** One value for each time; `null` is a gap. */
  values: (number | null)[];
  kind: "line" | "bars" | "outline";
  width: number;
  dash?: number[];
  /** How strongly the room below a line is filled, 0 to 1. */
  fill?: number;
  /** How strongly the line itself is drawn, 0 to 1. */
  strength?: number;
}

/** A name below the picture. */
export interface Tick {
  at_s: number;
  text: string;
}

/** Lines differ by pattern as well as by colour. */
const PATTERNS: Record<Accent, Pick<Trace, "width" | "dash" | "fill">> = {
  sun: { width: 1.8, fill: 0.2 },
  house: { width: 1.8 },
  cars: { width: 1.8, fill: 0.16 },
  battery: { width: 2, dash: [2, 4] },
  grid: { width: 1.8, dash: [8, 4] },
};

/** The line of one part of the house, in kW. */
export function powerLine(line: Accent, watts: (number | null)[]): Trace {
  return {
    colour: line,
    kind: "line",
    ...PATTERNS[line],
    values: watts.map((value) => (value === null ? null : value / 1000)),
  };
}

/** As many of the names as have room, evenly. */
export function fitting(ticks: Tick[], seen: Window, room_px: number, each_px: number): Tick[] {
  const [first, second] = ticks;
  if (first === undefined || second === undefined) return ticks;
  // A period that goes on has names for its first part only; how close they are counts, not how many.
  const apart_px = ((second.at_s - first.at_s) / (seen.to_s - seen.from_s)) * room_px;
  const every = Math.max(1, Math.ceil(each_px / Math.max(1, apart_px)));
  return ticks.filter((_tick, index) => index % every === 0);
}

/** Layers that stand on each other, the outermost first so that the inner ones cover it. */
export function stacked(layers: { colour: string; values: (number | null)[] }[], sign: 1 | -1): Trace[] {
  const traces: Trace[] = [];
  let below: number[] = [];
  for (const { colour, values } of layers) {
    const top = values.map((value, index) => (below[index] ?? 0) + Math.max(0, value ?? 0));
    below = top;
    traces.unshift({ colour, kind: "bars", width: 1, values: top.map((value) => sign * value) });
  }
  return traces;
}

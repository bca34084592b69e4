import { expect, test } from "vitest";
import type { Help } from "../api/types";
import { helps, isHeldBack } from "./help";

const site = {
  circuits: [{ id: "garage", name: "Garage" }],
  evses: [{ id: "left", name: "Left" }],
} as unknown as Parameters<typeof helps>[1];

const rows: [Help["change"], string][] = [
  [{ kind: "more_room", circuit: "garage", phase: "l2", by_ma: 1_000 }, "1 A more on Garage, phase L2: 6 A"],
  [{ kind: "more_room", circuit: "garage", phase: null, by_ma: 3_500 }, "3.5 A more on each phase of Garage: 6 A"],
  [{ kind: "more_skew", circuit: "garage", by_ma: 2_000 }, "2 A more between the phases of Garage: 6 A"],
  [{ kind: "more_sun", by_ma: 2_000 }, "2 A more of the sun on each phase: 6 A"],
  [{ kind: "more_peak", by_ma: 2_000 }, "2 A more on each phase in this quarter of an hour: 6 A"],
  [{ kind: "more_of_grid_operator", by_ma: 2_000 }, "2 A more on each phase from the grid operator: 6 A"],
  [{ kind: "served_first" }, "Served before all others: 6 A"],
  [{ kind: "without", evse: "left" }, "Left leaves: 6 A"],
  [{ kind: "mode", mode: "fast" }, "Fast, without waiting for the sun: 6 A"],
];

test("each change reads as what would have to be so, with what comes of it", () => {
  for (const [change, text] of rows) {
    expect(helps({ change, granted_ma: 6_000, text: "" }, site).replaceAll("\u00a0", " ")).toBe(text);
  }
});

test("it is offered where something holds a car back", () => {
  expect(["circuit_full", "no_surplus", "no_vehicle", "as_asked"].map(isHeldBack)).toEqual([true, true, false, false]);
});

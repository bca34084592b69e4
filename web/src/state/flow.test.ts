import { expect, test } from "vitest";
import type { Flow, SiteView } from "../api/types";
import { nodes, ownShare, picture } from "./flow";

const flow: Flow = { grid_w: -1_000, pv_w: -6_000, battery_w: 1_500, house_w: 500, evses_w: 3_000 };
const evse = (id: string, power_w: number) => ({ id, name: id.toUpperCase(), power_w, online: true });
const site = {
  flow,
  devices: [
    { kind: "inverter", measured: {} },
    { kind: "battery", measured: { soc_permille: 600 } },
    { kind: "battery", measured: { soc_permille: 400 } },
    { kind: "battery", measured: { soc_permille: null } },
  ],
  evses: [evse("left", 3_000), evse("right", 0)],
} as unknown as SiteView;
const frame = { width: 760, height: 320, is_upright: true, radius: 28, reach: 190 };

test("nodes follow what is installed; the sun gives, a charging battery takes", () => {
  const told = nodes(site).map((node) => [node.key, node.side, node.into_bar_w]);
  expect(told).toEqual([
    ["sun", "supply", 6_000],
    ["grid", "supply", -1_000],
    ["battery", "supply", -1_500],
    ["house", "use", -500],
    ["evse left", "use", -3_000],
    ["evse right", "use", -0],
  ]);
  expect(nodes(site).find((node) => node.key === "battery")?.soc_permille).toBe(500);
});

test("what is silent keeps its place, what is not installed has none", () => {
  const silent = { ...site, flow: { grid_w: null, pv_w: null, battery_w: null, house_w: null, evses_w: 0 } };
  expect(nodes(silent).map((node) => node.key)).toEqual(nodes(site).map((node) => node.key));
  expect(nodes({ ...silent, devices: [] }).map((node) => node.key)).toEqual([
    "grid",
    "house",
    "evse left",
    "evse right",
  ]);
});

test("many charging points share one node", () => {
  const many = { ...site, evses: ["a", "b", "c", "d"].map((id) => evse(id, 750)) } as unknown as SiteView;
  expect(nodes(many).at(-1)).toMatchObject({ key: "cars", into_bar_w: -3_000, evse: null });
});

test("own share is what does not come from the grid", () => {
  const rows: [Partial<Flow>, number | null][] = [
    [{}, 1_000],
    [{ grid_w: 2_500 }, 500],
    [{ grid_w: 9_000 }, 0],
    [{ grid_w: null }, null],
    [{ house_w: null }, null],
    [{ house_w: 0, evses_w: 0, battery_w: 0 }, null],
    [{ battery_w: null, grid_w: 1_750 }, 500],
  ];
  for (const [change, expected] of rows) {
    expect(ownShare({ ...flow, ...change }), JSON.stringify(change)).toBe(expected);
  }
});

test("ribbons point the way the power goes, and the bar shows what feeds it", () => {
  const { placed, pieces, bar } = picture(nodes(site), frame);
  expect(placed.map(({ node, ribbon }) => [node.key, ribbon.direction])).toEqual([
    ["sun", 1],
    ["grid", -1],
    ["battery", -1],
    ["house", -1],
    ["evse left", -1],
    ["evse right", 0],
  ]);
  expect(pieces).toEqual([{ accent: "sun", from: 0, to: 1 }]);
  const supply = placed.filter(({ node }) => node.side === "supply");
  const stacked = supply.reduce((total, { ribbon }) => total + ribbon.width, 0);
  expect(stacked).toBeLessThanOrEqual(bar.height);
});

test("places depend on the nodes alone, not on what flows", () => {
  const at = (f: Flow) => picture(nodes({ ...site, flow: f }), frame).placed.map((placed) => placed.at);
  expect(at({ grid_w: 20_000, pv_w: 0, battery_w: -50, house_w: 9_000, evses_w: 0 })).toEqual(at(flow));
});

test("at rest nothing is NaN", () => {
  const still = { ...site, evses: [], flow: { grid_w: 0, pv_w: 0, battery_w: 0, house_w: 0, evses_w: 0 } };
  for (const is_upright of [true, false]) {
    expect(JSON.stringify(picture(nodes(still), { ...frame, is_upright }))).not.toMatch(/NaN|null,"y/);
  }
});

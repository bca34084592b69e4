import { expect, test } from "vitest";
import type { OperatorGlance, OperatorView, Quality, StationPin } from "../api/oversight";
import * as oversight from "./oversight";

const wrong = (problems: object) => Object.entries(problems).filter(([, problem]) => problem !== undefined).map(([field]) => field);

const good: Quality = { kept: 0, failed: 0, repaired: 0, lost: 0, late: 0, records: 0, warnings: 0, told: 0, not_told: 0, findings: {} };

function pin(change: Partial<StationPin> = {}): StationPin {
  return { operator: "A", station: "s", name: "S", looks: { idle: 1 }, ...change };
}

test("a bar has a part for each state that there is, in one order", () => {
  expect(oversight.segments({ offline: 2, charging: 1, idle: 0, unheard_of: 9 })).toEqual([
    { look: "charging", count: 1 },
    { look: "offline", count: 2 },
  ]);
});

test.each<[Partial<StationPin>, oversight.Mark]>([
  [{ looks: { idle: 3 } }, "fine"],
  [{ looks: { idle: 3, never: 1 } }, "fine"],
  [{ looks: { never: 2 } }, "silent"],
  [{ looks: {} }, "silent"],
  [{ looks: { idle: 3, offline: 1 } }, "offline"],
  [{ looks: { fault: 1, offline: 1 } }, "trouble"],
  [{ looks: { idle: 1 }, risk: "low" }, "fine"],
  [{ looks: { idle: 1 }, risk: "medium" }, "trouble"],
  [{ looks: { fault: 1 }, risk: "high" }, "danger"],
])("a station with %j is marked %s", (change, mark) => {
  expect(oversight.mark(pin(change))).toBe(mark);
});

test.each<[Partial<Quality>, number | null]>([
  [{}, null],
  [{ kept: 10 }, 1_000],
  [{ kept: 9, failed: 1 }, 900],
  [{ kept: 10, late: 1, findings: { contradictory: 1, missing: 5 } }, 800],
  [{ kept: 1, failed: 2, late: 1 }, 0],
  // Never rounded up to all.
  [{ kept: 9_999, failed: 1 }, 999],
])("of %j so much is good: %s", (change, share) => {
  expect(oversight.goodShare({ ...good, ...change })).toBe(share);
});

test("totals are the sums of what is told of each", () => {
  const glance = (ports: number): OperatorGlance => ({
    id: `o${ports}`,
    name: "O",
    suspended: false,
    tally: { stations: 1, equipment: 2, ports, looks: { idle: ports }, stale: 1 },
    quality: good,
    warnings: { high: 1, low: 2 },
    energy_wh: 500,
    energy_cost_micros: 3,
    service_cost_micros: 4,
  });
  const sum = oversight.totals([glance(2), glance(5)]);
  expect(sum).toMatchObject({ stations: 2, ports: 7, stale: 2, warnings: 6, energy_wh: 1_000, money_micros: 14 });
  expect(sum.looks["idle"]).toBe(7);
  expect(oversight.totals([]).ports).toBe(0);
});

const at = (station: string, longitude: number, latitude: number, change: Partial<StationPin> = {}) =>
  pin({ station, longitude_udeg: Math.round(longitude * 1e6), latitude_udeg: Math.round(latitude * 1e6), ...change });

test("only stations on the earth are on the map", () => {
  expect(oversight.placed([pin(), at("a", 120, 30), at("b", 181, 30), at("c", 120, 91)]).map(({ pin }) => pin.station)).toEqual(["a"]);
  expect(oversight.around([])).toBeNull();
});

test("everything fits, a metre is as long in both directions, and the bar is a round length", () => {
  const places = oversight.placed([at("a", 120, 30), at("b", 120.1, 30.02)]);
  const cut = oversight.around(places);
  if (cut === null) throw new Error("there are places");
  const plan = oversight.plan(cut, 800, 460);
  for (const { longitude, latitude } of places) {
    expect(plan.x(longitude)).toBeGreaterThan(10);
    expect(plan.x(longitude)).toBeLessThan(790);
    expect(plan.y(latitude)).toBeGreaterThan(10);
    expect(plan.y(latitude)).toBeLessThan(450);
  }
  // North is up, east is right.
  expect(plan.y(30.02)).toBeLessThan(plan.y(30));
  expect(plan.x(120.1)).toBeGreaterThan(plan.x(120));
  const [east, north] = [plan.x(120.001) - plan.x(120), plan.y(30) - plan.y(30.001)];
  expect(east / north).toBeCloseTo(Math.cos((30.01 * Math.PI) / 180), 6);
  expect(plan.bar.metres).toBe(2_000);
  expect(plan.bar.pixels).toBeCloseTo((2_000 / 111_195) * 1_000 * north, 6);
  expect(plan.bar.pixels).toBeLessThan(800 * 0.28);
});

test("axes stand at round degrees, and there are few of them", () => {
  const plan = oversight.plan({ west: 120.1, east: 120.2, south: 30.2, north: 30.26 }, 800, 460);
  expect(plan.longitudes.map(({ text }) => text)).toEqual(["120.10°", "120.15°", "120.20°"]);
  expect(plan.latitudes.length).toBeGreaterThan(1);
  const west = oversight.plan({ west: -0.2, east: 0.2, south: -0.1, north: 0.1 }, 400, 300);
  expect(west.longitudes.map(({ text }) => text)).toContain("−0.2°");
  expect(west.longitudes.map(({ text }) => text)).toContain("0.0°");
});

test("a single station is in the middle of some hundred metres", () => {
  const cut = oversight.around(oversight.placed([at("a", 120, 30)]));
  if (cut === null) throw new Error("there is a place");
  const plan = oversight.plan(cut, 600, 460);
  expect([plan.x(120), plan.y(30)]).toEqual([300, 230]);
  expect(plan.bar.metres).toBe(100);
});

test.each([
  [1, 1],
  [1.9, 1],
  [2, 2],
  [4.99, 2],
  [730, 500],
  [0.03, 0.02],
])("the round number below %s is %s", (value, round) => {
  expect(oversight.nice(value)).toBeCloseTo(round, 12);
});

test("what lies close is one dot, with the worst of its marks; what is outside is none", () => {
  const places = oversight.placed([at("a", 120, 30), at("b", 120.00001, 30, { risk: "high" }), at("c", 120.1, 30.02)]);
  const cut = oversight.around(places);
  if (cut === null) throw new Error("there are places");
  const dots = oversight.dots(places, oversight.plan(cut, 800, 460), 800, 460, 28);
  expect(dots.map(({ places, mark }) => [places.map(({ pin }) => pin.station).join(), mark])).toEqual([
    ["c", "fine"],
    ["a,b", "danger"],
  ]);
  const near = oversight.plan({ west: 120, east: 120.001, south: 30, north: 30.001 }, 800, 460);
  expect(oversight.dots(places, near, 800, 460, 28).flatMap(({ places }) => places.map(({ pin }) => pin.station))).not.toContain("c");
});

test("arrow keys lead to the nearest dot on their side", () => {
  const dots = [{ x: 0, y: 0 }, { x: 100, y: 10 }, { x: 30, y: 200 }, { x: 300, y: 0 }];
  const rows: [number, string, number | null][] = [
    [0, "ArrowRight", 1],
    [1, "ArrowRight", 3],
    [3, "ArrowRight", 3],
    [0, "ArrowDown", 2],
    [2, "ArrowUp", 0],
    [1, "ArrowLeft", 0],
    [0, "Enter", null],
    [9, "ArrowUp", null],
  ];
  for (const [from, key, to] of rows) expect(oversight.neighbour(dots, from, key), `${from} ${key}`).toBe(to);
});

test("days up to one, and clocks on the wall", () => {
  expect(oversight.daysUpTo("2026-03-02", 3)).toEqual({ from: "2026-02-28", to: "2026-03-02" });
  expect(oversight.momentOf("2026-11-28T14:05:09", "Asia/Shanghai")).toBe(Date.parse("2026-11-28T06:05:09Z"));
  expect(oversight.momentOf("2026-11-28T14:05", "Asia/Shanghai")).toBe(Date.parse("2026-11-28T06:05:00Z"));
  for (const text of ["", "2026-11-28", "2026-13-28T14:05", "yesterday"]) expect(oversight.momentOf(text, "UTC"), text).toBeNull();
});

test.each<[string, string | undefined]>([
  ["2026-11-28T11:59:59", undefined],
  ["2026-11-27T12:00", undefined],
  ["2026-11-27T11:59", "oversight.past_span"],
  ["2026-11-28T12:01", "oversight.past_span"],
  ["soon", "oversight.past_wrong"],
])("the sample of %s", (wall, problem) => {
  expect(oversight.pastProblems(wall, "UTC", Date.parse("2026-11-28T12:00:00Z"))["at"]).toBe(problem);
});

test("pages are counted from one", () => {
  expect([oversight.pageCount(0, 50), oversight.pageCount(50, 50), oversight.pageCount(51, 50)]).toEqual([1, 1, 2]);
  expect(["3", undefined, "0", "-1", "1.5", "x"].map(oversight.pageOf)).toEqual([3, 1, 1, 1, 1, 1]);
});

const known: OperatorView = {
  id: "MA005DBW1",
  name: "Riverside",
  suspended: true,
  local: true,
  digest: "sha512",
  always_200: true,
  duplicates: "replace",
  cascade: true,
  delete_missing_fails: true,
  strict: true,
  field_names: { chargeId: "charge", 枪号: "port" },
  registered_ms: 1,
  last_login_ms: 2,
};

test("an operator that nobody changed is written as it was read", () => {
  const { id: _, registered_ms: __, last_login_ms: ___, ...body } = known;
  const draft = oversight.operatorDraft(known);
  expect(wrong(oversight.operatorProblems(draft, null))).toEqual([]);
  expect(oversight.operatorBody(draft, false)).toEqual(body);
});

test("a new operator has an id, and a key when one was typed", () => {
  const draft = { ...oversight.operatorDraft(null), id: " MA1 ", name: " One " };
  expect(oversight.operatorBody(draft, true)).toMatchObject({ id: "MA1", name: "One", digest: "sha256", field_names: {} });
  expect(oversight.operatorBody(draft, true)).not.toHaveProperty("secret");
  expect(oversight.operatorBody({ ...draft, secret: "12345678" }, true).secret).toBe("12345678");
});

test.each<[Partial<oversight.OperatorDraft>, string[]]>([
  [{}, []],
  [{ id: "" }, ["id"]],
  [{ id: "MA 5" }, ["id"]],
  [{ id: "运营商" }, ["id"]],
  [{ id: "MA2" }, ["id"]],
  [{ name: " " }, ["name"]],
  [{ name: "n".repeat(129) }, ["name"]],
  [{ secret: "short" }, ["secret"]],
  [{ secret: "with a blank" }, ["secret"]],
  [{ field_names: "a = b\n\nc=d" }, []],
  [{ field_names: "a" }, ["field_names"]],
  [{ field_names: "a = b = c" }, ["field_names"]],
  [{ field_names: "a = b\na = c" }, ["field_names"]],
  [{ field_names: `${"太".repeat(22)} = b` }, ["field_names"]],
])("an operator with %j is wrong in %j", (change, fields) => {
  const draft = { ...oversight.operatorDraft(null), id: "MA1", name: "One", ...change };
  expect(wrong(oversight.operatorProblems(draft, ["MA2"]))).toEqual(fields);
});

test.each<[string, string | undefined]>([
  ["0", undefined],
  ["720", undefined],
  ["721", "form.range"],
  ["-1", "form.range"],
  ["", "form.number"],
])("an overlap of %s hours", (hours, problem) => {
  expect(oversight.overlapProblems(hours)["overlap"]).toBe(problem);
});

test.each<[string, boolean, string | undefined]>([
  ["https://operator.example/failed", false, undefined],
  ["http://operator.example/failed", false, "oversight.https"],
  ["http://192.168.1.5/failed", true, undefined],
  ["ftp://operator.example", true, "form.url"],
  ["operator.example", false, "oversight.https"],
  [" ", false, "form.required"],
])("the address %s", (url, is_local, problem) => {
  expect(oversight.addressProblems(url, is_local)["url"]).toBe(problem);
});

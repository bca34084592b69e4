import { expect, test } from "vitest";
import type { Card, EvseView, Tariff, User, Vehicle, Watches } from "../api/types";
import * as forms from "./forms";

const ZONE = "Europe/Berlin";
const NOW = Date.parse("2026-11-27T10:00:00Z");

/** Fields with a problem. */
const wrong = (problems: forms.Problems) => Object.keys(problems).filter((field) => problems[field] !== undefined);

test.each([
  ["Second car", "second-car"],
  ["  Ünal's Straße 4 ", "unal-s-strasse-4"],
  ["!!", ""],
])("the id of %s is %s", (name, id) => {
  expect(forms.idOf(name)).toBe(id);
});

const user: User = {
  id: "resident-1",
  name: "Resident 1",
  role: "user",
  sites: { flats: "operator" },
  enabled: true,
  display: false,
  budget: { energy_wh: 12_500, per: "total", since_ms: 5 },
  phases: "one",
  rules: ["kept"],
  notify: { email: "r@example.org", webhook: null, alarms_from: "error" },
  oversight: { operator: "MA005" },
  has_password: true,
  cards: [],
};

test("a user that nobody changed is written as it was read", () => {
  expect(forms.userBody(forms.userDraft(user), user, NOW)).toEqual({
    id: "resident-1",
    name: "Resident 1",
    role: "user",
    sites: { flats: "operator" },
    enabled: true,
    display: false,
    budget: { energy_wh: 12_500, per: "total", since_ms: 5 },
    phases: "one",
    rules: ["kept"],
    notify: { email: "r@example.org", alarms_from: "error" },
    oversight: { operator: "MA005" },
  });
});

test.each([
  [{}, []],
  [{ name: " " }, ["name"]],
  [{ id: "Resident" }, ["id"]],
  [{ id: "admin" }, ["id"]],
  [{ budget_kwh: "many" }, ["budget_kwh"]],
  [{ budget_kwh: "-1" }, ["budget_kwh"]],
  [{ budget_kwh: "12,5" }, []],
  [{ email: "nobody" }, ["email"]],
  [{ webhook: "ftp://a.example" }, ["webhook"]],
  [{ webhook: "https://a.example/x" }, []],
])("a user with %j", (change, expected) => {
  expect(wrong(forms.userProblems({ ...forms.userDraft(user), ...change }, ["admin"]))).toEqual(expected);
});

test.each<[Watches | undefined, string, Watches | undefined]>([
  [undefined, "", undefined],
  [{ all: true }, "all", { all: true }],
  [{ all: false, operator: "all" }, "of:all", { operator: "all" }],
])("oversight of %j is the choice %s", (watches, choice, body) => {
  const watching = { ...user, oversight: watches } as User;
  const draft = forms.userDraft(watching);
  expect(draft.oversight).toBe(choice);
  expect(forms.userBody(draft, watching, NOW).oversight).toEqual(body);
});

test("a new total budget counts from now, an emptied one is gone", () => {
  const draft = { ...forms.userDraft(null), id: "a", name: "A", budget_kwh: "20", budget_per: "total" as const };
  expect(forms.userBody(draft, null, NOW).budget).toEqual({ energy_wh: 20_000, per: "total", since_ms: NOW });
  expect(forms.userBody({ ...draft, budget_kwh: "" }, null, NOW)).not.toHaveProperty("budget");
});

test.each([
  ["rfid", "04:A1:B2:C3", []],
  ["rfid", "04a1b2c3d4e5f6", []],
  ["rfid", "04A1B", ["number"]],
  ["rfid", "04A1B2G", ["number"]],
  ["pin", "1234", []],
  ["pin", "12a4", ["number"]],
  ["pin", "123", ["number"]],
] as const)("a new %s %s", (kind, number, expected) => {
  expect(wrong(forms.cardProblems({ ...forms.cardDraft(null, ZONE), name: "Blue", kind, number }, true))).toEqual(expected);
});

test("a card is valid to the end of its last local day, through the change of clocks", () => {
  const draft = { ...forms.cardDraft(null, ZONE), name: "Blue", number: "04 a1 b2 c3", valid_until: "2026-10-25" };
  const body = forms.cardBody(draft, null, ZONE, NOW);
  expect(body.number).toBe("04A1B2C3");
  expect(new Date(body.valid_until_ms ?? 0).toISOString()).toBe("2026-10-25T23:00:00.000Z");
  const card: Card = { id: "c", kind: "rfid", name: "Blue", enabled: true, valid_until_ms: body.valid_until_ms ?? 0, rules: [] };
  const again = forms.cardDraft(card, ZONE);
  expect(again.valid_until).toBe("2026-10-25");
  expect(forms.cardBody(again, card, ZONE, NOW)).not.toHaveProperty("number");
});

test("a token needs a name of its own and something it may do", () => {
  const draft = { ...forms.tokenDraft(), name: "Home automation" };
  expect(wrong(forms.tokenProblems(draft, ["home-automation"]))).toEqual(["name"]);
  expect(wrong(forms.tokenProblems({ ...draft, scopes: { read: false, steer: false, administer: false } }, []))).toEqual(["scopes"]);
  expect(forms.tokenBody({ ...draft, until: "2026-12-31" }, ZONE)).toEqual({
    name: "home-automation",
    role: "viewer",
    scopes: ["read"],
    expires_ms: Date.parse("2026-12-31T23:00:00Z"),
  });
});

const vehicle: Vehicle = {
  id: "blue",
  name: "Blue",
  capacity_wh: 58_000,
  phases: "three",
  min_ma: 6_000,
  max_ma: 16_000,
  efficiency_permille: 895,
  charge_limit_permille: 800,
  default_mode: "solar",
  owner: "resident-1",
  home: "left",
  soc_source: { kind: "http", url: "http://car.example/soc", path: "battery.soc", every_s: 300 },
  soc: { soc_permille: 500, at_ms: 1, estimated: false },
};

test("a vehicle that nobody changed is written as it was read, without its state of charge", () => {
  const { soc: _, ...body } = vehicle;
  expect(forms.vehicleBody(forms.vehicleDraft(vehicle))).toEqual(body);
});

test("where a vehicle tells how full it is goes out whole, a secret only when it was typed", () => {
  const heard = { kind: "mqtt" as const, broker: "mqtt://broker", topic: "car/soc", path: "", user: "hub" };
  const draft = forms.vehicleDraft({ ...vehicle, soc_source: { ...heard, has_secret: true } });
  expect(draft.has_secret).toBe(true);
  expect(forms.vehicleBody(draft).soc_source).toEqual(heard);
  expect(forms.vehicleBody({ ...draft, secret: "key" }).soc_source).toEqual({ ...heard, secret: "key" });
});

test.each([
  [{}, []],
  [{ capacity_kwh: "" }, []],
  [{ capacity_kwh: "0" }, ["capacity_kwh"]],
  [{ min_a: "5" }, ["min_a"]],
  [{ min_a: "10", max_a: "8" }, ["max_a"]],
  [{ efficiency_percent: "" }, ["efficiency_percent"]],
  [{ limit_percent: "101" }, ["limit_percent"]],
  [{ url: "car" }, ["url"]],
  [{ source: "manual" as const, url: "car" }, []],
  [{ path: "" }, []],
  [{ every_s: "14" }, ["every_s"]],
  [{ secret: "key" }, ["secret"]],
  [{ secret: "key", header: "X-Api-Key" }, []],
  [{ source: "mqtt" as const }, ["broker", "topic"]],
  [{ source: "mqtt" as const, broker: "mqtts://broker.example:8884", topic: "car/soc" }, []],
  [{ source: "mqtt" as const, broker: "mqtt://user:key@broker", topic: "car/+" }, ["broker", "topic"]],
])("a vehicle with %j", (change, expected) => {
  expect(wrong(forms.vehicleProblems({ ...forms.vehicleDraft(vehicle), ...change }, []))).toEqual(expected);
});

const tariff: Tariff = {
  id: "house",
  name: "House",
  direction: "import",
  site: "home",
  contracts: [
    {
      name: "Old",
      from: "2024-01-01",
      until: "2025-12-31",
      currency: "EUR",
      vat_permille: 190,
      monthly_fee_micros: 9_900_000,
      prices: { kind: "fixed", price_micros_per_kwh: 260_100 },
    },
    {
      name: "Night",
      from: "2026-01-01",
      currency: "EUR",
      vat_permille: 190,
      monthly_fee_micros: 0,
      prices: {
        kind: "time_of_use",
        otherwise_micros_per_kwh: 280_000,
        bands: [{ weekdays: [1, 7], months: [12], from_minute: 1_320, to_minute: 360, price_micros_per_kwh: -190_000 }],
      },
    },
    {
      name: "Market",
      from: "2027-01-01",
      currency: "EUR",
      vat_permille: 0,
      monthly_fee_micros: 0,
      prices: {
        kind: "dynamic",
        provider: "day-ahead",
        factor_permille: 1_050,
        surcharge_micros_per_kwh: 21_000,
        fallback_micros_per_kwh: 300_000,
      },
    },
  ],
};

test("a tariff that nobody changed is written as it was read", () => {
  expect(forms.tariffBody(forms.tariffDraft(tariff, "2026-11-27", "home"))).toEqual(tariff);
});

test("what is wrong in a contract or a band is told by its place", () => {
  const draft = forms.tariffDraft(tariff, "2026-11-27", "home");
  expect(wrong(forms.tariffProblems(draft, []))).toEqual([]);
  Object.assign(draft.contracts[0] ?? {}, { until: "2023-01-01", currency: "eur", price: "" });
  Object.assign(draft.contracts[1]?.bands[0] ?? {}, { price: "cheap" });
  Object.assign(draft.contracts[2] ?? {}, { provider: "" });
  expect(wrong(forms.tariffProblems(draft, []))).toEqual(["0.until", "0.currency", "0.price", "1.0.price", "2.provider"]);
});

test.each([
  ["short", "short", ["password"]],
  ["long enough", "long enougj", ["repeated"]],
  ["long enough", "long enough", []],
])("the passwords %s and %s", (password, repeated, expected) => {
  expect(wrong(forms.passwordProblems(password, repeated))).toEqual(expected);
});

const charger = {
  id: "left",
  min_ma: 6_000,
  max_ma: 16_000,
  wish: { mode: "fast", force: "neutral", current_ma: 16_000, phases: null, energy_limit_wh: 12_500, price_limit_micros_per_kwh: -50_000 },
  temporary: { current_ma: 8_000, until_ms: NOW },
} as unknown as EvseView;

test("limits of a charging point are shown as they are typed", () => {
  expect(forms.limitsDraft(charger)).toEqual({ energy: "12.5", price: "-0.05", temporary: "8" });
});

test.each([
  [{ energy: "" }, [{ kind: "energy_limit", evse: "left", limit_wh: null }]],
  [{ energy: "7,25", price: "0.3" }, [
    { kind: "energy_limit", evse: "left", limit_wh: 7_250 },
    { kind: "price_limit", evse: "left", limit_micros_per_kwh: 300_000 },
  ]],
  [{ temporary: "10" }, [{ kind: "temporary_current", evse: "left", current_ma: 10_000 }]],
  [{}, []],
])("only limits that change are asked for: %o", (change, intents) => {
  const before = forms.limitsDraft(charger);
  expect(forms.limitIntents({ ...before, ...change }, before, charger.id)).toEqual(intents);
});

test.each([
  [{ energy: "much" }, ["energy"]],
  [{ energy: "0" }, ["energy"]],
  [{ price: "-2000" }, ["price"]],
  [{ temporary: "5.9" }, ["temporary"]],
  [{ temporary: "17" }, ["temporary"]],
  [{ energy: "", price: "", temporary: "" }, []],
])("limits %o are wrong in %o", (change, expected) => {
  expect(wrong(forms.limitsProblems({ ...forms.limitsDraft(charger), ...change }, charger))).toEqual(expected);
});

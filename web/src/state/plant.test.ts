import { expect, test } from "vitest";
import type { PlantSheet } from "../api/types";
import { isFine } from "./forms";
import { plantDraft, plantProblems, plantSheet, type PlantDraft } from "./plant";

const ZONE = "Europe/Vienna";

function sheet(change: Partial<PlantSheet> = {}): PlantSheet {
  const address = { country: "AT", province: "", city: "Wien", county: "", town: "", village: "", street: "Ring 1" };
  const prices = { unit_micros: 0, sold_micros: 82_000, own_use_micros: 300_000, bought_micros: 0, consumed_micros: 0, fed_in_micros: -6 };
  return {
    address,
    prices,
    installed_ms: Date.parse("2024-05-06T10:30:00+02:00"),
    year_estimate_wh: 9_800_000,
    offset_wh: -1_500,
    coal_g_per_kwh: 400,
    co2_g_per_kwh: 210,
    so2_g_per_kwh: 30,
    currency: { symbol: "€", code: "EUR" },
    design_company: "",
    picture: "",
    thumbnail: "",
    ...change,
  };
}

test("a sheet that nobody touched is what it was", () => {
  const full = sheet({ name: "Sun 太", position: { latitude_udeg: 48_208_200, longitude_udeg: -16_373_800 }, nominal_w: 9_800 });
  for (const one of [sheet(), full]) {
    const draft = plantDraft(one, ZONE);
    expect(isFine(plantProblems(draft))).toBe(true);
    expect(plantSheet(draft, one, ZONE)).toEqual(one);
  }
  expect(plantDraft(full, ZONE)).toMatchObject({ latitude: "48.2082", installed: "2024-05-06", nominal_kw: "9.8", offset_kwh: "-1.5" });
});

test("what is emptied is gone, and a new day begins at its midnight", () => {
  const before = sheet({ name: "Sun", nominal_w: 9_800 });
  const draft = { ...plantDraft(before, ZONE), name: " ", nominal_kw: "", installed: "2025-01-01" };
  const after = plantSheet(draft, before, ZONE);
  expect([after.name, after.nominal_w]).toEqual([undefined, undefined]);
  expect(after.installed_ms).toBe(Date.parse("2025-01-01T00:00:00+01:00"));
  expect(plantSheet({ ...draft, installed: "" }, before, ZONE).installed_ms).toBeUndefined();
});

test("what makes no sense is said beside its field", () => {
  const good = plantDraft(sheet(), ZONE);
  const rows: [Partial<PlantDraft>, string, string][] = [
    [{ name: "x".repeat(65) }, "name", "plant.long"],
    [{ latitude: "91", longitude: "1" }, "latitude", "form.range"],
    [{ latitude: "48", longitude: "" }, "longitude", "form.required"],
    [{ latitude: "", longitude: "16" }, "latitude", "form.required"],
    [{ nominal_kw: "-1" }, "nominal_kw", "form.range"],
    [{ offset_kwh: "many" }, "offset_kwh", "form.number"],
    [{ code: "euro" }, "code", "form.currency"],
    [{ factors: { ...good.factors, co2: "" } }, "factors.co2", "form.required"],
    [{ prices: { ...good.prices, sold: "x" } }, "prices.sold", "form.number"],
    [{ address: { ...good.address, city: "x".repeat(65) } }, "address.city", "plant.long"],
  ];
  for (const [change, field, problem] of rows) {
    const found = Object.entries(plantProblems({ ...good, ...change })).filter(([, one]) => one !== undefined);
    expect(found, field).toEqual([[field, problem]]);
  }
});

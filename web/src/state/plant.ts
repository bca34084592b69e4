// The sheet of a plant as it is typed in, and what it means. Pure.

import type { PlantSheet } from "../api/types";
import { dayStart, localDate, typable, typed } from "../units";
import type { Problems } from "./forms";

/** Longest text that is kept. */
const TEXT = 64;
const MICROS = 1_000_000;

export const ADDRESS = ["street", "village", "town", "county", "city", "province", "country"] as const;
export const FACTORS = ["co2", "coal", "so2"] as const;
export const PRICES = ["unit", "sold", "own_use", "bought", "consumed", "fed_in"] as const;

export interface PlantDraft {
  name: string;
  latitude: string;
  longitude: string;
  address: Record<(typeof ADDRESS)[number], string>;
  /** A local day. */
  installed: string;
  nominal_kw: string;
  year_estimate_kwh: string;
  offset_kwh: string;
  factors: Record<(typeof FACTORS)[number], string>;
  prices: Record<(typeof PRICES)[number], string>;
  symbol: string;
  code: string;
  design_company: string;
  picture: string;
  thumbnail: string;
}

export function plantDraft(sheet: PlantSheet, time_zone: string): PlantDraft {
  const price = (name: (typeof PRICES)[number]) => typable(sheet.prices[`${name}_micros`], MICROS);
  return {
    name: sheet.name ?? "",
    latitude: typable(sheet.position?.latitude_udeg, MICROS),
    longitude: typable(sheet.position?.longitude_udeg, MICROS),
    address: { ...sheet.address },
    installed: sheet.installed_ms == null ? "" : localDate(sheet.installed_ms, time_zone),
    nominal_kw: typable(sheet.nominal_w, 1_000),
    year_estimate_kwh: typable(sheet.year_estimate_wh, 1_000),
    offset_kwh: typable(sheet.offset_wh, 1_000),
    factors: {
      co2: typable(sheet.co2_g_per_kwh, 1),
      coal: typable(sheet.coal_g_per_kwh, 1),
      so2: typable(sheet.so2_g_per_kwh, 1),
    },
    prices: {
      unit: price("unit"),
      sold: price("sold"),
      own_use: price("own_use"),
      bought: price("bought"),
      consumed: price("consumed"),
      fed_in: price("fed_in"),
    },
    symbol: sheet.currency.symbol,
    code: sheet.currency.code,
    design_company: sheet.design_company,
    picture: sheet.picture,
    thumbnail: sheet.thumbnail,
  };
}

function number(text: string, least: number, most: number): "form.number" | "form.range" | undefined {
  if (text.trim() === "") return undefined;
  const value = typed(text, MICROS);
  if (value === null) return "form.number";
  return value < least * MICROS || value > most * MICROS ? "form.range" : undefined;
}

const long = (text: string) => ([...text.trim()].length > TEXT ? "plant.long" : undefined);

export function plantProblems(draft: PlantDraft): Problems {
  const problems: Problems = {
    name: long(draft.name),
    latitude: number(draft.latitude, -90, 90),
    longitude: number(draft.longitude, -180, 180),
    nominal_kw: number(draft.nominal_kw, 0, 1_000_000),
    year_estimate_kwh: number(draft.year_estimate_kwh, 0, 1_000_000_000),
    offset_kwh: number(draft.offset_kwh, -1_000_000_000, 1_000_000_000),
    symbol: long(draft.symbol),
    code: draft.code === "" || /^[A-Z]{3}$/.test(draft.code) ? undefined : "form.currency",
    design_company: long(draft.design_company),
    picture: long(draft.picture),
    thumbnail: long(draft.thumbnail),
  };
  // One alone is no place.
  if ((draft.latitude.trim() === "") !== (draft.longitude.trim() === "")) {
    problems[draft.latitude.trim() === "" ? "latitude" : "longitude"] = "form.required";
  }
  for (const name of ADDRESS) problems[`address.${name}`] = long(draft.address[name]);
  for (const name of FACTORS) {
    const text = draft.factors[name];
    problems[`factors.${name}`] = text.trim() === "" ? "form.required" : number(text, 0, 1_000_000);
  }
  for (const name of PRICES) problems[`prices.${name}`] = number(draft.prices[name], -1_000_000, 1_000_000);
  return problems;
}

/** What is not shown in the form stays as it was; a day that was not touched keeps its moment. */
export function plantSheet(draft: PlantDraft, before: PlantSheet, time_zone: string): PlantSheet {
  const price = (name: (typeof PRICES)[number]) => typed(draft.prices[name], MICROS) ?? 0;
  const text = (value: string) => value.trim();
  const [latitude, longitude] = [typed(draft.latitude, MICROS), typed(draft.longitude, MICROS)];
  const nominal_w = typed(draft.nominal_kw, 1_000);
  const was = before.installed_ms == null ? "" : localDate(before.installed_ms, time_zone);
  const moved = draft.installed === "" ? null : dayStart(draft.installed, time_zone);
  const installed_ms = draft.installed === was ? before.installed_ms : moved;
  return {
    ...(text(draft.name) === "" ? {} : { name: text(draft.name) }),
    ...(latitude === null || longitude === null ? {} : { position: { latitude_udeg: latitude, longitude_udeg: longitude } }),
    address: {
      country: text(draft.address.country),
      province: text(draft.address.province),
      city: text(draft.address.city),
      county: text(draft.address.county),
      town: text(draft.address.town),
      village: text(draft.address.village),
      street: text(draft.address.street),
    },
    ...(installed_ms == null ? {} : { installed_ms }),
    ...(nominal_w === null ? {} : { nominal_w }),
    year_estimate_wh: typed(draft.year_estimate_kwh, 1_000) ?? 0,
    offset_wh: typed(draft.offset_kwh, 1_000) ?? 0,
    co2_g_per_kwh: typed(draft.factors.co2, 1) ?? 0,
    coal_g_per_kwh: typed(draft.factors.coal, 1) ?? 0,
    so2_g_per_kwh: typed(draft.factors.so2, 1) ?? 0,
    prices: {
      unit_micros: price("unit"),
      sold_micros: price("sold"),
      own_use_micros: price("own_use"),
      bought_micros: price("bought"),
      consumed_micros: price("consumed"),
      fed_in_micros: price("fed_in"),
    },
    currency: { symbol: text(draft.symbol), code: draft.code },
    design_company: text(draft.design_company),
    picture: text(draft.picture),
    thumbnail: text(draft.thumbnail),
  };
}

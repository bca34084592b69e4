import { expect, test } from "vitest";
import { bounds, holding, holds, name, parse, step } from "./period";

const HOUR_MS = 3_600_000;

test.each([
  ["day", "2026-11-27", "2026-11-27", "2026-11-28"],
  ["month", "2026-11-27", "2026-11-01", "2026-12-01"],
  ["month", "2026-12-31", "2026-12-01", "2027-01-01"],
  ["year", "2026-11-27", "2026-01-01", "2027-01-01"],
] as const)("the %s that holds %s", (span, day, from, to) => {
  expect(holding(day, span)).toEqual({ span, from, to });
});

test.each([
  ["day", "2026-03-01", -1, "2026-02-28"],
  ["day", "2028-02-28", 1, "2028-02-29"],
  ["month", "2026-01-15", -1, "2025-12-01"],
  ["month", "2026-01-31", 1, "2026-02-01"],
  ["year", "2026-06-01", -2, "2024-01-01"],
] as const)("a %s from %s stepped by %i", (span, day, count, from) => {
  expect(step(holding(day, span), count).from).toBe(from);
});

test.each([
  ["2026-03-28", "Europe/Berlin", 24],
  ["2026-03-29", "Europe/Berlin", 23],
  ["2026-10-25", "Europe/Berlin", 25],
  ["2026-10-25", "UTC", 24],
  ["2026-11-01", "America/New_York", 25],
  ["2026-04-05", "Australia/Lord_Howe", 24.5],
  ["2026-11-27", "Asia/Kolkata", 24],
] as const)("%s in %s has %d hours", (day, time_zone, hours) => {
  const { from_ms, to_ms } = bounds(holding(day, "day"), time_zone);
  expect((to_ms - from_ms) / HOUR_MS).toBe(hours);
});

test("days follow each other without a gap through the change of clocks", () => {
  let day = holding("2026-10-23", "day");
  for (let i = 0; i < 5; i += 1) {
    const next = step(day, 1);
    expect(bounds(day, "Europe/Berlin").to_ms).toBe(bounds(next, "Europe/Berlin").from_ms);
    day = next;
  }
  expect(day.from).toBe("2026-10-28");
});

test("a month with a change of clocks has an hour less or more", () => {
  const hours = (day: string) => {
    const { from_ms, to_ms } = bounds(holding(day, "month"), "Europe/Berlin");
    return (to_ms - from_ms) / HOUR_MS;
  };
  expect([hours("2026-03-10"), hours("2026-10-10"), hours("2026-11-10")]).toEqual([743, 745, 720]);
});

test("periods have names and know their days", () => {
  expect(name(holding("2026-11-27", "month"))).toBe("November 2026");
  expect(name(holding("2026-11-27", "year"))).toBe("2026");
  expect(name(holding("2026-11-27", "day"))).toMatch(/27 November 2026/);
  expect(holds(holding("2026-11-27", "month"), "2026-11-30")).toBe(true);
  expect(holds(holding("2026-11-27", "month"), "2026-12-01")).toBe(false);
});

test.each([
  ["2026-11-27", "2026-11-27"],
  ["2026-11", "2026-11-01"],
  ["2026", "2026-01-01"],
  ["2026-02-30", null],
  ["yesterday", null],
  [undefined, null],
])("%s in an address is %s", (text, expected) => {
  expect(parse(text)).toBe(expected);
});

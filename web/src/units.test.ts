import { expect, test } from "vitest";
import * as units from "./units";

/** Rows of what is given and what people read. */
function check<T>(format: (value: T) => string, rows: [T, string][]) {
  for (const [given, expected] of rows) {
    expect(format(given).replaceAll("\u00a0", " "), String(given)).toBe(expected);
  }
}

test("power changes to kW in time and never shows minus zero", () => {
  check((w: number | null) => units.text(units.power(w)), [
    [null, "–"],
    [0, "0 W"],
    [-0.4, "0 W"],
    [-640, "−640 W"],
    [999.4, "999 W"],
    [999.6, "1.00 kW"],
    [3_421, "3.42 kW"],
    [9_996, "10.0 kW"],
    [-12_345, "−12.3 kW"],
  ]);
});

test("energy, current, share and voltage", () => {
  check((wh: number | null) => units.text(units.energy(wh)), [
    [null, "–"],
    [0, "0.00 kWh"],
    [640, "0.64 kWh"],
    [12_340, "12.3 kWh"],
    [123_456, "123 kWh"],
  ]);
  check((ma: number | null) => units.text(units.current(ma)), [
    [null, "–"],
    [9_960, "10.0 A"],
    [-40, "0.0 A"],
    [-5_000, "−5.0 A"],
  ]);
  check(units.shortCurrent, [
    [16_000, "16 A"],
    [9_400, "9.4 A"],
  ]);
  check((p: number | null) => units.text(units.share(p)), [
    [625, "63 %"],
    [1_000, "100 %"],
  ]);
  check((v: number | null) => units.text(units.voltage(v)), [[230_600, "231 V"]]);
});

test("what the sun brought, for its size, and what it saved", () => {
  check((wh: number | null) => units.text(units.yielded(wh)), [
    [null, "–"],
    [640, "0.64 kWh"],
    [9_999_000, "9999 kWh"],
    [12_345_678, "12.35 MWh"],
    [123_456_789, "123.5 MWh"],
  ]);
  check((wh: number | null) => units.text(units.specificYield(wh)), [
    [null, "–"],
    [3_421, "3.42 kWh/kWp"],
    [1_034_500, "1035 kWh/kWp"],
  ]);
  check((grams: number) => units.text(units.weight(grams)), [
    [0, "0 g"],
    [999, "999 g"],
    [12_340, "12.3 kg"],
    [123_456, "123 kg"],
    [1_234_567, "1.23 t"],
    [12_345_678, "12.3 t"],
  ]);
});

test("a signal has a real minus", () => {
  check(units.signal, [[-61, "−61 dBm"]]);
});

test("the sun is shown as positive", () => {
  expect(units.shownSun(-3_000)).toBe(3_000);
  expect(units.shownSun(4)).toBe(0);
  expect(units.shownSun(null)).toBeNull();
});

test("durations use their largest fitting units", () => {
  check(units.duration, [
    [-5, "0 s"],
    [8_400, "8 s"],
    [125_000, "2 min"],
    [3 * 3_600_000 + 300_000, "3 h 05 min"],
    [48 * 3_600_000, "2 d"],
    [52 * 3_600_000, "2 d 4 h"],
  ]);
  check(units.countdown, [
    [-1, "0:00"],
    [41_200, "0:42"],
    [725_000, "12:05"],
  ]);
});

test("a local day begins at local midnight and may have 23 or 25 hours", () => {
  const rows: [string, string, string, number][] = [
    ["2026-08-05T12:00:00Z", "Europe/Berlin", "2026-08-04T22:00:00Z", 24],
    ["2026-08-05T22:30:00Z", "Europe/Berlin", "2026-08-05T22:00:00Z", 24],
    ["2026-03-29T12:00:00Z", "Europe/Berlin", "2026-03-28T23:00:00Z", 23],
    ["2026-10-25T12:00:00Z", "Europe/Berlin", "2026-10-24T22:00:00Z", 25],
    ["2026-10-25T00:30:00Z", "Asia/Seoul", "2026-10-24T15:00:00Z", 24],
    ["2026-01-01T00:00:00Z", "no/such zone", "2026-01-01T00:00:00Z", 24],
  ];
  for (const [at, zone, from, hours] of rows) {
    const day = units.localDay(Date.parse(at), zone);
    expect(new Date(day.from_ms).toISOString(), `${at} ${zone}`).toBe(from.replace("Z", ".000Z"));
    expect((day.to_ms - day.from_ms) / 3_600_000, `${at} ${zone}`).toBe(hours);
  }
});

test("another day's moment carries its date", () => {
  const now = Date.parse("2026-08-05T12:00:00Z");
  expect(units.moment(now, now, "Europe/Berlin")).toBe("14:00");
  expect(units.moment(now - 86_400_000, now, "Europe/Berlin")).toBe("4 Aug, 14:00");
});

test.each([
  [3_204_999, "EUR", "€3.20"],
  [-80_000, "EUR", "−€0.08"],
  [-1, "EUR", "€0.00"],
  [0, "CHF", "CHF\u00a00.00"],
])("%i millionths of %s are %s", (amount_micros, currency, expected) => {
  expect(units.money(amount_micros, currency)).toBe(expected);
});

test.each([
  ["12.5", 12_500],
  [" 12,5 ", 12_500],
  ["−3", -3_000],
  ["0.0005", 1],
  ["", null],
  ["1e3", null],
  ["1.2.3", null],
])("%j typed in thousandths is %s", (text, expected) => {
  expect(units.typed(text, 1_000)).toBe(expected);
});

test("what is shown in an input is read back", () => {
  for (const value of [0, 1, 260_100, -80_500]) expect(units.typed(units.typable(value, 1_000_000), 1_000_000)).toBe(value);
  expect(units.typable(undefined, 10)).toBe("");
});

test.each([
  [640, "640\u00a0B"],
  [12_345, "12.3\u00a0kB"],
  [999_700, "1.00\u00a0MB"],
  [1_200_000_000, "1.20\u00a0GB"],
])("%i bytes are %s", (count, expected) => {
  expect(units.bytes(count)).toBe(expected);
});

test("counters, prices, changes and times of day", () => {
  expect(units.counter(12_345_678)).toBe("12\u202f345.678\u00a0kWh");
  expect(units.counter(null)).toBe(units.UNKNOWN);
  expect(units.price(312_400, "EUR")).toBe("€0.312/kWh");
  expect([units.change(112, 100), units.change(97, 100), units.change(5, 0), units.change(100, 100)]).toEqual([
    "+12\u00a0%",
    "−3\u00a0%",
    null,
    "±0\u00a0%",
  ]);
  expect(units.localDate(Date.parse("2026-10-25T22:30:00Z"), "Europe/Berlin")).toBe("2026-10-25");
  expect(units.localDate(Date.parse("2026-10-25T23:30:00Z"), "Europe/Berlin")).toBe("2026-10-26");
});

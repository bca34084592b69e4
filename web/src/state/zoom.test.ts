import { expect, test } from "vitest";
import { isWhole, panned, within, zoomed } from "./zoom";

const day = { from_s: 0, to_s: 86_400 };

test("zooming keeps what is under the pointer in its place", () => {
  expect(zoomed(day, day, 0.5, 21_600)).toEqual({ from_s: 10_800, to_s: 54_000 });
  expect(zoomed(day, day, 0.5, 0)).toEqual({ from_s: 0, to_s: 43_200 });
});

test("no wider than the day, no narrower than five minutes", () => {
  expect(zoomed({ from_s: 10_000, to_s: 20_000 }, day, 100, 15_000)).toEqual(day);
  const close = zoomed(day, day, 0.000_1, 43_200);
  expect(close.to_s - close.from_s).toBe(300);
});

test("panning stops at the ends", () => {
  const hour = { from_s: 3_600, to_s: 7_200 };
  expect(panned(hour, day, 0.5)).toEqual({ from_s: 5_400, to_s: 9_000 });
  expect(panned(hour, day, -5)).toEqual({ from_s: 0, to_s: 3_600 });
  expect(panned(hour, day, 500)).toEqual({ from_s: 82_800, to_s: 86_400 });
});

test("a window from elsewhere is moved inside", () => {
  expect(within({ from_s: -100, to_s: 3_500 }, day)).toEqual({ from_s: 0, to_s: 3_600 });
  expect(within({ from_s: -100, to_s: 100_000 }, day)).toEqual(day);
  expect(isWhole(day, day)).toBe(true);
  expect(isWhole({ from_s: 1, to_s: 86_400 }, day)).toBe(false);
});

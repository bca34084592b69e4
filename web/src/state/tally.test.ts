import { expect, test } from "vitest";
import type { ChargingSession, Transaction } from "../api/types";
import { byCurrency, isEstimated, ownShare, sunShare, told, userIds } from "./tally";

const euro = (amount_micros: number) => ({ amount_micros, currency: "EUR" });

test.each([
  [[], null],
  [[euro(3_200_000)], "€3.20"],
  [[euro(1_000_000), euro(2_204_999)], "€3.20"],
  [[euro(3_200_000), { amount_micros: 1_100_000, currency: "CHF" }], "CHF\u00a01.10 + €3.20"],
  [[euro(-80_000)], "−€0.08"],
  [[euro(-1)], "€0.00"],
])("%j is %s", (costs, expected) => {
  expect(told(costs)).toBe(expected);
});

test("currencies are never added", () => {
  expect(byCurrency([euro(1), { amount_micros: 2, currency: "CHF" }, euro(3)])).toEqual([
    { amount_micros: 2, currency: "CHF" },
    euro(4),
  ]);
});

test.each([
  [{ sun_wh: 600, battery_wh: 100, grid_wh: 300 }, 600, 700],
  [{ sun_wh: 0, battery_wh: 0, grid_wh: 5 }, 0, 0],
  [{ sun_wh: 0, battery_wh: 0, grid_wh: 0 }, null, null],
])("shares of %j", (origin, sun, own) => {
  expect([sunShare(origin), ownShare(origin)]).toEqual([sun, own]);
});

test("who charged is told once, and one estimate marks the session", () => {
  const transaction = (user: string | null, estimated = false) => ({ user, estimated }) as Transaction;
  const session = {
    transactions: [transaction("anna"), transaction(null), transaction("anna", true), transaction("ben")],
  } as ChargingSession;
  expect(userIds(session)).toEqual(["anna", "ben"]);
  expect(isEstimated(session)).toBe(true);
});

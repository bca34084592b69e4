import { expect, test } from "vitest";
import { read, write } from "./address";

test.each([
  ["", { page: "home", id: null, params: {} }],
  ["#site=flats", { page: "home", id: null, params: { site: "flats" } }],
  ["#/", { page: "home", id: null, params: {} }],
  ["#/sessions?month=2026-11&site=home", { page: "sessions", id: null, params: { month: "2026-11", site: "home" } }],
  ["#/users/resident-1", { page: "users", id: "resident-1", params: {} }],
  ["#/users/a%2Fb?tab=x", { page: "users", id: "a/b", params: { tab: "x" } }],
  ["#/users/50%", { page: "users", id: "50%", params: {} }],
  ["#/nowhere?site=home", { page: "home", id: null, params: { site: "home" } }],
])("%s is read", (hash, expected) => {
  expect(read(hash)).toEqual(expected);
});

test("what is written is read back", () => {
  const address = { page: "sessions", id: "a/b c", params: { site: "home", user: "Ü" } } as const;
  expect(read(write(address))).toEqual(address);
  expect(write({ page: "home", id: null, params: {} })).toBe("#/");
});

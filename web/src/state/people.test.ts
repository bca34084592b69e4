import { expect, test } from "vitest";
import type { User } from "../api/types";
import { addresses } from "./people";

const nothing = { alarms_from: null, email: null, webhook: null };
const user: User = { id: "a", name: "A", sites: {}, enabled: true, display: false, rules: [], notify: nothing, has_password: true, cards: [] };

test.each([
  [{}, []],
  [{ email: "", webhook: "" }, []],
  [{ email: "a@example.org", webhook: "https://example.org:8443/secret" }, ["a@example.org", "example.org:8443"]],
  [{ webhook: "no address" }, []],
])("who is told at %j", (notify, expected) => {
  expect(addresses({ ...user, notify: { ...nothing, ...notify } })).toEqual(expected);
});

test("nobody is told nowhere", () => {
  expect(addresses(null)).toEqual([]);
});

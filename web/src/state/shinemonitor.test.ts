import { expect, test } from "vitest";
import type { ShinemonitorAccount } from "../api/types";
import { isFine } from "./forms";
import { accountBody, accountDraft, accountProblems, loggerProblems, type AccountDraft } from "./shinemonitor";

const known: ShinemonitorAccount = {
  number: 3,
  name: "roof app",
  email: "roof@example.org",
  kind: "vendor",
  role: "viewer",
  sites: { home: "operator" },
  enabled: false,
  created_ms: 1,
};

test("an account that nobody touched is what it was, and keeps its password", () => {
  const draft = accountDraft(known, "home");
  expect(isFine(accountProblems(draft, false, []))).toBe(true);
  expect(accountBody(draft)).toEqual({
    name: "roof app",
    email: "roof@example.org",
    kind: "vendor",
    role: "viewer",
    sites: { home: "operator" },
    enabled: false,
  });
});

test("a new one looks at the site one is at", () => {
  const draft = { ...accountDraft(null, "home"), name: " app ", password: "secret" };
  expect(accountBody(draft)).toEqual({ name: "app", kind: "owner", sites: { home: "viewer" }, enabled: true, password: "secret" });
  const elsewhere = { ...draft, sites: { home: "" as const, yard: "user" as const } };
  expect(accountBody(elsewhere).sites).toEqual({ yard: "user" });
});

test("what makes no sense is said beside its field", () => {
  const good: AccountDraft = { ...accountDraft(known, "home"), password: "secret" };
  const rows: [Partial<AccountDraft>, boolean, string, string | undefined][] = [
    [{}, true, "name", undefined],
    [{ name: " " }, true, "name", "form.required"],
    [{ name: "太".repeat(65) }, true, "name", "plant.long"],
    [{ name: "other" }, true, "name", "shine.name_used"],
    [{ email: "nobody" }, true, "email", "form.email"],
    [{ password: "" }, true, "password", "form.required"],
    [{ password: "" }, false, "password", undefined],
    [{ password: "太".repeat(43) }, true, "password", "shine.password_long"],
  ];
  for (const [change, is_new, field, problem] of rows) {
    expect(accountProblems({ ...good, ...change }, is_new, ["other"])[field], JSON.stringify(change)).toBe(problem);
  }
  expect(["G0916522248153", " w0011223344556 ", "short", "with blank 12"].map((pn) => loggerProblems(pn)["pn"])).toEqual([
    undefined,
    undefined,
    "shine.pn_wrong",
    "shine.pn_wrong",
  ]);
});

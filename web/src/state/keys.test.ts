import { expect, test } from "vitest";
import type { GoeKey } from "../api/types";
import { draftOf, editorOf, found, shown, valueOf } from "./keys";
import { differing } from "./keys.svelte";

function key(name: string, more: Partial<GoeKey> = {}): GoeKey {
  return {
    key: name,
    access: "read_write",
    type: "integer",
    nullable: false,
    range: null,
    unit: "",
    category: "Config",
    meaning: "",
    values: [],
    secret: false,
    grant_needed: false,
    writable: true,
    source: "charger",
    ...more,
  };
}

const FORCE = [
  { value: "0", meaning: "Neutral" },
  { value: "1", meaning: "Off" },
  { value: "2", meaning: "On" },
];
const amp = key("amp", { range: { min: 6, max: 32 }, unit: "A", meaning: "requested current" });
const frc = key("frc", { range: { min: 0, max: 2 }, values: FORCE, meaning: "force state" });
const alw = key("alw", { type: "bool", writable: false, meaning: "charging allowed" });
const mod = key("mod", { source: null, writable: false, meaning: "hardware, 16 amp or 32" });
const fna = key("fna", { type: "text", range: { min: 1, max: 4 } });
const cards = key("cards", { type: "array" });
const trx = key("trx", { nullable: true, range: { min: 0, max: 10 }, values: [{ value: "null", meaning: "none" }, { value: "0", meaning: "without card" }] });

test("keys are found by name, meaning and unit, named ones first", () => {
  const all = [alw, mod, amp, frc];
  for (const [choice, text, expected] of [
    ["own", "", ["alw", "amp", "frc"]],
    ["all", "", ["alw", "mod", "amp", "frc"]],
    ["writable", "", ["amp", "frc"]],
    ["all", "AMP", ["amp", "mod"]],
    ["own", "neutral", ["frc"]],
    ["own", "current requested", ["amp"]],
    ["own", "current force", []],
  ] as const) {
    expect(found(all, choice, text).map((row) => row.key), `${choice} ${text}`).toEqual(expected);
  }
});

test("values are shown with what they mean", () => {
  expect(shown(frc, 1)).toEqual({ text: "1", meaning: "Off" });
  expect(shown(frc, 7)).toEqual({ text: "7", meaning: null });
  expect(shown(fna, "x")).toEqual({ text: "x", meaning: null });
  expect(shown(cards, [{ name: "a" }])).toEqual({ text: '[{"name":"a"}]', meaning: null });
});

test("each kind has its editor, and what it takes becomes a value or a problem", () => {
  const rows: [GoeKey, string, string, unknown][] = [
    [amp, "number", "16", { value: 16 }],
    [amp, "number", " 6 ", { value: 6 }],
    [amp, "number", "5", { problem: "form.range" }],
    [amp, "number", "7,5", { problem: "charger.whole" }],
    [amp, "number", "sixteen", { problem: "charger.whole" }],
    [key("awp", { type: "number" }), "number", "-1,5", { value: -1.5 }],
    [key("awp", { type: "number" }), "number", "", { problem: "form.number" }],
    [frc, "choice", "2", { value: 2 }],
    [alw, "bool", "true", { value: true }],
    [alw, "bool", "false", { value: false }],
    [fna, "text", "\u{1f697}\u{1f697}", { value: "\u{1f697}\u{1f697}" }],
    [fna, "text", "", { problem: "charger.length" }],
    [fna, "text", "12345", { problem: "charger.length" }],
    [cards, "json", "[1]", { value: [1] }],
    [cards, "json", "{}", { problem: "charger.array" }],
    [cards, "json", "[", { problem: "charger.json" }],
    [key("o", { type: "object" }), "json", "[]", { problem: "charger.object" }],
    [key("x", { type: "any" }), "json", '"a"', { value: "a" }],
    [trx, "number", "3", { value: 3 }],
  ];
  for (const [row, editor, text, expected] of rows) {
    expect(editorOf(row), row.key).toBe(editor);
    expect(valueOf(row, { text, is_null: false }), `${row.key} ${text}`).toEqual(expected);
  }
  expect(valueOf(trx, { text: "", is_null: true })).toEqual({ value: null });
  expect(valueOf(amp, { text: "8", is_null: true })).toEqual({ value: 8 });
});

test("an editor begins with what is there", () => {
  expect(draftOf(amp, 16)).toEqual({ text: "16", is_null: false });
  expect(draftOf(trx, null)).toEqual({ text: "", is_null: true });
  expect(draftOf(frc, undefined)).toEqual({ text: "0", is_null: false });
  expect(draftOf(cards, [1, 2])).toEqual({ text: "[ 1, 2 ]", is_null: false });
});

test("what differs is known", () => {
  expect([...differing({ a: 1, b: [1], c: 2 }, { a: 1, b: [2], d: null })]).toEqual(["b", "d"]);
});

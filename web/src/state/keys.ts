// The keys of a go-e charger as people read, look for and write them. Pure.

import type { GoeKey } from "../api/types";
import type { Key } from "../i18n";

/** Which keys are shown. */
export type Choice = "own" | "writable" | "all";
export const CHOICES: Choice[] = ["own", "writable", "all"];

/** Whether a charger has the key at all. */
export function isThere(row: GoeKey): boolean {
  return row.source != null;
}

/** Keys of a choice that hold every word somebody looks for, those that are named so first. */
export function found(rows: GoeKey[], choice: Choice, text: string): GoeKey[] {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const chosen = rows.filter((row) => choice === "all" || (choice === "own" ? isThere(row) : row.writable));
  const fitting = chosen.filter((row) => {
    const all = haystack(row);
    return words.every((word) => all.includes(word));
  });
  if (words.length !== 1) return fitting;
  const named = (row: GoeKey) => (row.key.toLowerCase() === words[0] ? 0 : row.key.toLowerCase().startsWith(words[0] ?? "") ? 1 : 2);
  return [...fitting].sort((a, b) => named(a) - named(b));
}

function haystack(row: GoeKey): string {
  return [row.key, row.meaning, row.unit, row.category, ...row.values.map(({ meaning }) => meaning)].join(" ").toLowerCase();
}

/** A value as text, and what it means where the table says. */
export function shown(row: GoeKey, value: unknown): { text: string; meaning: string | null } {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const known = row.values.find((one) => one.value === text);
  return { text, meaning: known?.meaning ?? null };
}

/** How a value of a key is filled in. */
export type Editor = "choice" | "bool" | "number" | "text" | "json";

export function editorOf(row: GoeKey): Editor {
  if (row.type === "bool") return "bool";
  if (row.type === "integer" || row.type === "number") {
    const { range } = row;
    const is_whole = row.values.length > 0 && (!range || row.values.length > range.max - range.min);
    return is_whole ? "choice" : "number";
  }
  return row.type === "text" ? "text" : "json";
}

export interface Draft {
  text: string;
  /** No value at all. */
  is_null: boolean;
}

export function draftOf(row: GoeKey, value: unknown): Draft {
  if (value === null || value === undefined) {
    const first = editorOf(row) === "bool" ? "false" : editorOf(row) === "choice" ? (row.values.find((one) => one.value !== "null")?.value ?? "") : "";
    return { text: first, is_null: value === null && row.nullable };
  }
  const is_json = editorOf(row) === "json";
  return { text: is_json ? JSON.stringify(value, null, 1).replace(/\n\s*/g, " ") : String(value), is_null: false };
}

/** What is written, or what is wrong with it. */
export function valueOf(row: GoeKey, draft: Draft): { value: unknown } | { problem: Key } {
  if (draft.is_null && row.nullable) return { value: null };
  switch (editorOf(row)) {
    case "bool":
      return { value: draft.text === "true" };
    case "choice":
      return draft.text === "" ? { problem: "form.required" } : { value: Number(draft.text) };
    case "number":
      return number(row, draft.text);
    case "text":
      return text(row, draft.text);
    case "json":
      return parsed(row, draft.text);
  }
}

function number(row: GoeKey, typed: string): { value: number } | { problem: Key } {
  const plain = typed.trim().replace(",", ".");
  if (!/^[+-]?\d+(\.\d+)?$/.test(plain)) return { problem: row.type === "integer" ? "charger.whole" : "form.number" };
  const value = Number(plain);
  if (row.type === "integer" && !Number.isSafeInteger(value)) return { problem: "charger.whole" };
  const { range } = row;
  if (range && (value < range.min || value > range.max)) return { problem: "form.range" };
  return { value };
}

function text(row: GoeKey, typed: string): { value: string } | { problem: Key } {
  const length = [...typed].length;
  const { range } = row;
  if (range && (length < range.min || length > range.max)) return { problem: "charger.length" };
  return { value: typed };
}

function parsed(row: GoeKey, typed: string): { value: unknown } | { problem: Key } {
  let value: unknown;
  try {
    value = JSON.parse(typed);
  } catch {
    return { problem: "charger.json" };
  }
  if (row.type === "array" && !Array.isArray(value)) return { problem: "charger.array" };
  const is_object = typeof value === "object" && value !== null && !Array.isArray(value);
  if (row.type === "object" && !is_object) return { problem: "charger.object" };
  return { value };
}

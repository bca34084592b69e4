// Looks strings up in the catalogue and fills them in.

import { en, type Key } from "./en";

export type { Key };
export type Params = Record<string, string | number>;

const catalogue: Record<Key, string> = en;

/** The text of a key with its `{name}`s filled in. A name without a value stays as it is, so that it is noticed. */
export function t(key: Key, params: Params = {}): string {
  return catalogue[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** Whether the catalogue has this key; for keys made from what the server says. */
export function has(key: string): key is Key {
  return Object.hasOwn(catalogue, key);
}

/** What the server says for a log begins small; for people it begins as sentences do. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** Names in a sentence: `Left`, `Left and Right`, `A, B and C`. */
export function list(names: string[]): string {
  const last = names.at(-1);
  if (last === undefined) return "";
  if (names.length === 1) return last;
  return t("list.and", { first: names.slice(0, -1).join(", "), last });
}

// The address bar: which page, which thing on it, and its filters. Pure.

export const PAGES = ["home", "solar", "chargers", "sessions", "history", "vehicles", "users", "oversight", "alarms", "settings"] as const;
export type PageName = (typeof PAGES)[number];

export interface Address {
  page: PageName;
  /** The one thing a page shows in full: a session, a user. */
  id: string | null;
  params: Record<string, string>;
}

/** Reads `#/sessions/7f?site=home`. `#site=home`, as links had it first, is the house. */
export function read(hash: string): Address {
  const text = hash.replace(/^#/, "");
  if (!text.startsWith("/")) return { page: "home", id: null, params: entries(text) };
  const [path = "", query = ""] = text.split("?", 2);
  const [name, id] = path.slice(1).split("/", 2).map(decoded);
  const page = PAGES.find((known) => known === name);
  if (page === undefined) return { page: "home", id: null, params: entries(query) };
  return { page, id: id === undefined || id === "" ? null : id, params: entries(query) };
}

export function write({ page, id, params }: Address): string {
  const query = new URLSearchParams(params).toString();
  const path = page === "home" ? "/" : `/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}`;
  return `#${path}${query === "" ? "" : `?${query}`}`;
}

function entries(query: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(query));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a hand-written address may hold a lone percent sign
  }
}

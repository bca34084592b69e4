// Decides which changes of reasons are read aloud: politely, together, and not more often than needed. Pure.

/** Announcements closer together than this would never end. */
export const PACE_MS = 12_000;

export class Announcer {
  #codes: Map<string, string> | null = null;
  #changed = new Set<string>();
  #spoke_ms = Number.NEGATIVE_INFINITY;

  /**
   * Takes the present reason codes by EVSE and gives the ids whose change is due to be told, at most once per
   * pace. The first look tells nothing: what was so when the page opened is on the page.
   */
  look(codes: Map<string, string>, now_ms: number): string[] {
    const before = this.#codes;
    this.#codes = codes;
    if (before === null) return [];
    for (const [id, code] of codes) {
      if (before.get(id) !== code) this.#changed.add(id);
    }
    if (this.#changed.size === 0 || now_ms - this.#spoke_ms < PACE_MS) return [];
    const told = [...this.#changed].filter((id) => codes.has(id));
    this.#changed.clear();
    this.#spoke_ms = now_ms;
    return told;
  }
}

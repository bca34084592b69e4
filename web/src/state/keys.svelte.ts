// The keys of one charger while somebody looks at them: asked for once, then the values again and again.

import { goeKeys, goeValues } from "../api/goe";
import type { GoeKey, GoeKeyList } from "../api/types";
import { Resource } from "./resource.svelte";

/** How often values are asked for while the page is seen. */
export const AGAIN_MS = 2_000;

export class Keys {
  readonly list = new Resource<GoeKeyList>();
  /** By key; what a charger does not have is not in it. */
  values = $state.raw<Record<string, unknown>>({});
  /** Which came with the last answer that differed. */
  changed = $state.raw<ReadonlySet<string>>(new Set());
  at_ms = $state<number | null>(null);
  /** Whether the last question had no answer. */
  is_old = $state(false);
  #tag: string | null = null;

  constructor(
    readonly site: string,
    readonly evse: string,
  ) {}

  get rows(): GoeKey[] {
    return this.list.value?.items ?? [];
  }

  /** Everything anew: what may be written may have changed. */
  async load(): Promise<void> {
    await this.list.load(() => goeKeys(this.site, this.evse));
    const { value } = this.list;
    if (value === null) return;
    this.values = Object.fromEntries(value.items.filter((row) => "value" in row).map((row) => [row.key, row.value]));
    this.at_ms = value.at_ms ?? null;
    this.#tag = null;
  }

  async again(): Promise<void> {
    try {
      const answer = await goeValues(this.site, this.evse, this.#tag);
      this.is_old = false;
      if (answer === null) return;
      const [{ values, at_ms }, tag] = answer;
      this.changed = differing(this.values, values);
      this.values = values;
      this.at_ms = at_ms ?? null;
      this.#tag = tag;
    } catch {
      // The banner of the page says that the server cannot be reached; here the values are old.
      this.is_old = true;
    }
  }

  /** Looks again and again while the page is seen; answers how to end that. */
  watch(): () => void {
    let is_asking = false;
    const timer = setInterval(() => {
      if (is_asking || document.visibilityState === "hidden" || this.list.value === null) return;
      is_asking = true;
      void this.again().finally(() => (is_asking = false));
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }
}

/** Keys whose values differ, or that are new. */
export function differing(before: Record<string, unknown>, now: Record<string, unknown>): ReadonlySet<string> {
  const keys = Object.keys(now).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(now[key]));
  return new Set(keys);
}

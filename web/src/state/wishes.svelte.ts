// Wishes on their way: shown at once, sent after a short pause, and given up for the server's word.

import { SvelteMap } from "svelte/reactivity";
import { intend } from "../api/client";
import type { ChargeMode, EvseView, SiteView, Wish } from "../api/types";
import { inWords } from "./session.svelte";

/** Arrow keys pass over modes and amperes; only where they come to rest is asked for. */
const REST_MS = 300;

interface Pending {
  wish: Partial<Wish>;
  /** When the server took it, by its clock; `null` while on the way. */
  taken_ms: number | null;
}

class Wishes {
  #pending = new SvelteMap<string, Pending>();
  #errors = new SvelteMap<string, string>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** The wish as the page shows it: what was just asked for, until the view has it. */
  shown(site: SiteView, evse: EvseView): Wish {
    const pending = this.#pending.get(key(site, evse));
    if (!pending || (pending.taken_ms !== null && site.at_ms > pending.taken_ms)) return evse.wish;
    return { ...evse.wish, ...pending.wish };
  }

  /** Whether something asked for has not been answered yet. */
  is_sending(site: SiteView, evse: EvseView): boolean {
    return this.#pending.get(key(site, evse))?.taken_ms === null;
  }

  error(site: SiteView, evse: EvseView): string | null {
    return this.#errors.get(key(site, evse)) ?? null;
  }

  dismiss(site: SiteView, evse: EvseView): void {
    this.#errors.delete(key(site, evse));
  }

  mode(site: SiteView, evse: EvseView, mode: ChargeMode): void {
    this.#ask(site, evse, "mode", { mode, force: "neutral" }, () =>
      intend(site.id, { kind: "mode", evse: evse.id, mode }),
    );
  }

  current(site: SiteView, evse: EvseView, current_ma: number): void {
    this.#ask(site, evse, "current", { current_ma }, () =>
      intend(site.id, { kind: "current", evse: evse.id, current_ma }),
    );
  }

  #ask(
    site: SiteView,
    evse: EvseView,
    kind: string,
    wish: Partial<Wish>,
    send: () => ReturnType<typeof intend>,
  ): void {
    const id = key(site, evse);
    const before = this.#pending.get(id);
    const asked: Pending = { wish: { ...(before?.taken_ms === null ? before.wish : {}), ...wish }, taken_ms: null };
    this.#pending.set(id, asked);
    this.#errors.delete(id);
    const timer = `${id} ${kind}`;
    clearTimeout(this.#timers.get(timer));
    this.#timers.set(timer, setTimeout(() => void this.#send(id, asked, send), REST_MS));
  }

  async #send(id: string, asked: Pending, send: () => ReturnType<typeof intend>): Promise<void> {
    try {
      const receipt = await send();
      // Something newer may have been asked for meanwhile; its own answer counts then.
      if (this.#pending.get(id) === asked) this.#pending.set(id, { wish: receipt.wish ?? asked.wish, taken_ms: receipt.at_ms });
    } catch (error) {
      if (this.#pending.get(id) === asked) this.#pending.delete(id);
      this.#errors.set(id, inWords(error));
    }
  }
}

function key(site: SiteView, evse: EvseView): string {
  return `${site.id}/${evse.id}`;
}

export const wishes = new Wishes();

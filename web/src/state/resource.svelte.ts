// Something asked for, its answer, and why there is none. The answer before stays while the next one is on its way.

import { inWords } from "./session.svelte";

export class Resource<T> {
  value = $state.raw<T | null>(null);
  problem = $state<string | null>(null);
  is_loading = $state(false);
  #count = 0;

  /** Asks; only the newest question's answer counts. */
  async load(ask: () => Promise<T>): Promise<void> {
    const number = (this.#count += 1);
    this.is_loading = true;
    try {
      const value = await ask();
      if (number !== this.#count) return;
      this.value = value;
      this.problem = null;
    } catch (error) {
      if (number === this.#count) this.problem = inWords(error, true);
    } finally {
      if (number === this.#count) this.is_loading = false;
    }
  }
}

interface Part<T> {
  items: T[];
  next?: string | null | undefined;
}

/** A list that comes in parts. */
export class Paged<T, P extends Part<T> = Part<T>> {
  items = $state.raw<T[]>([]);
  /** The first part, with what it says of the whole. */
  first = $state.raw<P | null>(null);
  problem = $state<string | null>(null);
  is_loading = $state(false);
  next = $state<string | null>(null);
  #ask: ((cursor: string | null) => Promise<P>) | null = null;
  #count = 0;

  /** Begins anew. */
  async load(ask: (cursor: string | null) => Promise<P>): Promise<void> {
    this.#ask = ask;
    await this.#fetch(null);
  }

  async more(): Promise<void> {
    if (this.next !== null && !this.is_loading) await this.#fetch(this.next);
  }

  async again(): Promise<void> {
    await this.#fetch(null);
  }

  async #fetch(cursor: string | null): Promise<void> {
    if (this.#ask === null) return;
    const number = (this.#count += 1);
    this.is_loading = true;
    try {
      const part = await this.#ask(cursor);
      if (number !== this.#count) return;
      if (cursor === null) this.first = part;
      this.items = cursor === null ? part.items : [...this.items, ...part.items];
      this.next = part.next ?? null;
      this.problem = null;
    } catch (error) {
      if (number === this.#count) this.problem = inWords(error, true);
    } finally {
      if (number === this.#count) this.is_loading = false;
    }
  }
}

// What the page knows of the sites: views, the patches since, and how old all of it is.

import { listen } from "../api/events";
import type { Backfill, Patch, SiteView } from "../api/types";
import { merge } from "./patch";

/** Silence after which data counts as old. Patches come each second. */
const OLD_AFTER_MS = 5_000;

class Live {
  /** Views in the order the server sent them first. */
  views = $state.raw<SiteView[]>([]);
  is_connected = $state(false);
  /** When the last message came, by this machine's clock. */
  last_news_ms = $state<number | null>(null);
  /** How much of the demo's past is made; `null` when that is not going on. */
  backfill_permille = $state<number | null>(null);
  /** Grows each time the demo's past is complete, so that curves are loaded again. */
  backfills = $state(0);
  /** Moves once a second, so that ages move too. */
  now_ms = $state(Date.now());

  /** Monotonic time of the last message: a clock that jumps does not make data look young. */
  #heard = 0;
  #silence_ms = $state(0);
  #server_ahead_ms = 0;
  #stop: (() => void) | null = null;

  readonly is_old = $derived(this.last_news_ms !== null && this.#silence_ms > OLD_AFTER_MS);
  /** The server's wall clock, so that its times are compared with its own time. */
  readonly server_now_ms = $derived(this.now_ms + this.#server_ahead_ms);

  start(): void {
    if (this.#stop) return;
    this.#heard = performance.now();
    const stream = listen({
      message: (type, data) => this.#receive(type, data),
      connected: (is_connected) => {
        this.is_connected = is_connected;
      },
    });
    const timer = setInterval(() => this.#tick(), 1_000);
    this.#stop = () => {
      stream();
      clearInterval(timer);
    };
  }

  /** Ends the stream and forgets everything; after signing out nothing stays on the page. */
  stop(): void {
    this.#stop?.();
    this.#stop = null;
    this.views = [];
    this.is_connected = false;
    this.last_news_ms = null;
    this.backfill_permille = null;
  }

  #tick(): void {
    this.now_ms = Date.now();
    this.#silence_ms = performance.now() - this.#heard;
  }

  #receive(type: string, data: unknown): void {
    this.#heard = performance.now();
    this.last_news_ms = Date.now();
    if (type === "view") this.#take(data as SiteView);
    else if (type === "patch") this.#patch(data as Patch);
    else if (type === "backfill") this.#backfill(data as Backfill);
    this.#tick();
  }

  #take(view: SiteView): void {
    this.#server_ahead_ms = view.at_ms - Date.now();
    const known = this.views.some((other) => other.id === view.id);
    this.views = known ? this.views.map((other) => (other.id === view.id ? view : other)) : [...this.views, view];
  }

  #patch(patch: Patch): void {
    this.#server_ahead_ms = patch.at_ms - Date.now();
    this.views = this.views.map((view) => merge(view, patch));
  }

  #backfill({ progress_permille }: Backfill): void {
    const was_running = this.backfill_permille !== null;
    this.backfill_permille = progress_permille < 1_000 ? progress_permille : null;
    if (was_running && this.backfill_permille === null) this.backfills += 1;
  }
}

export const live = new Live();

// Whether operators report here, and whose the one in front of the page may see.

import { ApiError } from "../api/client";
import { overview, type OversightOverview } from "../api/oversight";
import { Resource } from "./resource.svelte";
import { session } from "./session.svelte";

class Watch {
  readonly found = new Resource<OversightOverview>();
  /** `null` as long as nobody has answered. */
  #is_authority = $state<boolean | null>(null);

  /** The operator whose people one belongs to; nothing else of the house is theirs. */
  readonly own = $derived(session.door.at === "inside" ? (session.door.oversight?.operator ?? null) : null);
  readonly may_look = $derived(session.door.at === "inside" && (session.door.oversight !== null || session.may("admin", null)));
  /** Changes operators. */
  readonly may_change = $derived(session.may("admin", null));
  /** Asks operators, and has seen their warnings. */
  readonly is_officer = $derived(session.may("admin", null) || (session.door.at === "inside" && session.door.oversight?.all === true));

  /** Whether there is such a page; while that is not known, its address keeps leading there. */
  readonly is_open = $derived(this.may_look && this.#is_authority !== false);
  readonly is_shown = $derived(this.may_look && this.#is_authority === true);

  async load(): Promise<void> {
    await this.found.load(async () => {
      try {
        const found = await overview();
        this.#is_authority = true;
        return found;
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.status === 403)) this.#is_authority = false;
        throw error;
      }
    });
  }

  /** After signing out nothing stays on the page. */
  forget(): void {
    this.found.value = null;
    this.found.problem = null;
    this.#is_authority = null;
  }
}

export const watch = new Watch();

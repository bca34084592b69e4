// Who is signed in, and which of the three pages that leads to.

import * as client from "../api/client";
import { ApiError } from "../api/client";
import type { Watches } from "../api/types";
import { sentence, t } from "../i18n";

export type Door =
  | { at: "unknown" }
  | { at: "setup"; ticket: string }
  | { at: "sign_in"; note: string | null }
  | { at: "inside"; user: string; role: Role | null; sites: Record<string, Role>; oversight: Watches | null };

/** What somebody may do, from least to most. */
export type Role = "viewer" | "user" | "operator" | "admin";
export const ROLES: Role[] = ["viewer", "user", "operator", "admin"];

class SessionState {
  door = $state.raw<Door>({ at: "unknown" });

  /** Looks at the address bar and at the server, and opens the right door. */
  async begin(): Promise<void> {
    client.whenUnauthorized(() => {
      if (this.door.at === "inside") this.door = { at: "sign_in", note: null };
    });
    const fragment = new URLSearchParams(location.hash.slice(1));
    const setup = fragment.get("setup");
    const ticket = fragment.get("ticket");
    if (setup !== null || ticket !== null) {
      // A one-time secret does not stay in the address bar or the history.
      history.replaceState(null, "", location.pathname + location.search);
    }
    if (setup !== null) {
      this.door = { at: "setup", ticket: setup };
      return;
    }
    await this.#enter(ticket);
  }

  async #enter(ticket: string | null): Promise<void> {
    let note: string | null = null;
    try {
      if (ticket !== null) await client.signInWithTicket({ ticket });
    } catch (error) {
      note = error instanceof ApiError && error.status === 401 ? t("sign_in.ticket_used") : inWords(error, true);
    }
    await this.look(note);
  }

  /** Asks the server who is signed in. `note` is shown when nobody is. */
  async look(note: string | null = null): Promise<void> {
    try {
      const session = await client.session();
      if (session.signed_in) {
        const role = ROLES.find((known) => known === session.role) ?? null;
        const sites = (session.sites ?? {}) as Record<string, Role>;
        this.door = { at: "inside", user: session.user ?? "", role, sites, oversight: session.oversight ?? null };
      }
      else this.door = { at: "sign_in", note: note ?? (session.setup_needed ? t("sign_in.setup_needed") : null) };
    } catch (error) {
      this.door = { at: "sign_in", note: note ?? inWords(error, true) };
    }
  }

  /** Whether the page offers what takes this role. The server decides; this only hides what it would refuse. */
  may(role: Role, site: string | null): boolean {
    if (this.door.at !== "inside") return false;
    const own = (site === null ? undefined : this.door.sites[site]) ?? this.door.role;
    return own !== null && ROLES.indexOf(own) >= ROLES.indexOf(role);
  }

  async leave(): Promise<void> {
    try {
      await client.signOut();
    } finally {
      this.door = { at: "sign_in", note: null };
    }
  }

  /** Leaves here and wherever else one is signed in. When that fails one stays, and hears of it. */
  async leaveEverywhere(): Promise<void> {
    await client.signOutEverywhere();
    this.door = { at: "sign_in", note: t("sign_in.out_everywhere") };
  }
}

/** What a failed call means for the person in front of the page. */
export function inWords(error: unknown, reading = false): string {
  if (!(error instanceof ApiError)) return t("error.other", { status: "", message: String(error) });
  const message = error.message;
  switch (error.status) {
    case 0:
      return t(reading ? "error.unreachable_read" : "error.unreachable");
    case 401:
    case 403:
      return t("error.forbidden");
    case 404:
      return t("error.not_found", { message });
    case 409:
      return t("error.not_supported", { message });
    case 422:
      return t("error.out_of_range", { message });
    case 429:
      return t("error.slow_down");
    case 503:
      return error.code === "offline" ? t("error.offline", { message }) : t("error.busy");
    default:
      return t("error.other", { status: error.status, message });
  }
}

/** Why somebody may not charge: the server says it in a sentence, which is more than that they may not. */
export function refused(error: unknown): string {
  if (!(error instanceof ApiError) || error.status !== 403 || error.message === "") return inWords(error);
  return `${sentence(error.message)}.`;
}

export const session = new SessionState();

// Accounts of ShineMonitor clients as they are typed in. Pure.

import type { ShinemonitorAccount, ShinemonitorAccountBody } from "../api/types";
import { required, type Problems } from "./forms";
import type { Role } from "./session.svelte";

export const KINDS: ShinemonitorAccount["kind"][] = ["owner", "browser", "vendor", "dealer"];
/** An account of a client administers nothing. */
export const ROLES: Role[] = ["viewer", "user", "operator"];

const LONGEST_NAME = 64;
const LONGEST_PASSWORD = 128;

export interface AccountDraft {
  name: string;
  email: string;
  kind: ShinemonitorAccount["kind"];
  role: Role | "";
  sites: Record<string, Role | "">;
  enabled: boolean;
  /** Empty leaves it as it is. */
  password: string;
}

/** Without an account, a new one that looks at one site. */
export function accountDraft(account: ShinemonitorAccount | null, site: string): AccountDraft {
  return {
    name: account?.name ?? "",
    email: account?.email ?? "",
    kind: account?.kind ?? "owner",
    role: account?.role ?? "",
    sites: account === null ? { [site]: "viewer" } : { ...account.sites },
    enabled: account?.enabled ?? true,
    password: "",
  };
}

export function accountProblems(draft: AccountDraft, is_new: boolean, taken: string[]): Problems {
  const name = draft.name.trim();
  return {
    name: required(name) ?? ([...name].length > LONGEST_NAME ? "plant.long" : taken.includes(name) ? "shine.name_used" : undefined),
    email: draft.email === "" || /^[^\s@]+@[^\s@]+$/.test(draft.email) ? undefined : "form.email",
    password:
      is_new && draft.password === ""
        ? "form.required"
        : new TextEncoder().encode(draft.password).length > LONGEST_PASSWORD
          ? "shine.password_long"
          : undefined,
  };
}

export function accountBody(draft: AccountDraft): ShinemonitorAccountBody {
  const sites = Object.entries(draft.sites).filter((entry): entry is [string, Role] => entry[1] !== "");
  return {
    name: draft.name.trim(),
    ...(draft.email === "" ? {} : { email: draft.email }),
    kind: draft.kind,
    ...(draft.role === "" ? {} : { role: draft.role }),
    sites: Object.fromEntries(sites),
    enabled: draft.enabled,
    ...(draft.password === "" ? {} : { password: draft.password }),
  };
}

/** The number of a data logger as it stands on its sticker. */
export function loggerProblems(pn: string): Problems {
  return { pn: /^[0-9A-Za-z]{8,30}$/.test(pn.trim()) ? undefined : "shine.pn_wrong" };
}

// Types of endpoints that the API's own description does not hold yet.

import type { Role } from "../state/session.svelte";

type Maybe<T> = T | null | undefined;

export interface Page<T> {
  items: T[];
  next?: Maybe<string>;
}

export type BudgetPer = "session" | "day" | "week" | "month" | "year" | "total";

export interface Budget {
  energy_wh: number;
  per: BudgetPer;
  since_ms?: Maybe<number>;
}

export type PhaseChoice = "one" | "three";

export interface Card {
  id: string;
  kind: "rfid" | "pin";
  name: string;
  number_hint?: Maybe<string>;
  enabled: boolean;
  valid_until_ms?: Maybe<number>;
  budget?: Maybe<Budget>;
  phases?: Maybe<PhaseChoice>;
  tariff?: Maybe<string>;
  vehicle?: Maybe<string>;
  rules?: Maybe<string[]>;
}

export interface Notify {
  email?: Maybe<string>;
  webhook?: Maybe<string>;
  alarms_from?: Maybe<"warning" | "error">;
}

export interface User {
  id: string;
  name: string;
  role?: Maybe<Role>;
  sites: Record<string, Role>;
  enabled: boolean;
  display: boolean;
  budget?: Maybe<Budget>;
  phases?: Maybe<PhaseChoice>;
  tariff?: Maybe<string>;
  rules?: Maybe<string[]>;
  notify?: Maybe<Notify>;
  has_password: boolean;
  cards: Card[];
}

export type Scope = "read" | "steer" | "administer";

export interface Token {
  name: string;
  role?: Maybe<Role>;
  sites?: Maybe<Record<string, Role>>;
  scopes: Scope[];
  expires_ms?: Maybe<number>;
  last_used_ms?: Maybe<number>;
}

export interface AuditEntry {
  at_ms: number;
  principal: string;
  door: string;
  action: string;
  outcome: string;
}

export interface Parcel {
  id: string;
  target: string;
  subject?: string;
  created_ms: number;
  attempts: number;
  state: "waiting" | "dead" | "delivered";
  at_ms?: Maybe<number>;
  last_error?: Maybe<string>;
}

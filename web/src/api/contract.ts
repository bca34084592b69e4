// Types of endpoints that the API's own description does not hold yet.

import type { Role } from "../state/session.svelte";

type Maybe<T> = T | null | undefined;

export interface Page<T> {
  items: T[];
  next?: Maybe<string>;
}

export interface Money {
  amount_micros: number;
  currency: string;
}

export interface Origin {
  sun_wh: number;
  battery_wh: number;
  grid_wh: number;
}

export type TransactionKind = "rfid" | "pin" | "app" | "plug_and_go";
export type StopReason = "unplugged" | "asked" | "budget_used_up" | "withdrawn" | "replaced" | "lost";

export interface Transaction {
  number: number;
  kind: TransactionKind;
  user?: Maybe<string>;
  card?: Maybe<string>;
  started_ms: number;
  stopped_ms?: Maybe<number>;
  stop_reason?: Maybe<StopReason>;
  meter_start_wh?: Maybe<number>;
  meter_stop_wh?: Maybe<number>;
  energy_wh: number;
  per_phase_wh: { l1: number; l2: number; l3: number };
  one_phase_wh: number;
  three_phase_wh: number;
  origin: Origin;
  charging_ms: number;
  peak_w: number;
  cost?: Maybe<Money>;
  estimated: boolean;
}

export interface ChargingSession {
  id: string;
  evse: string;
  plugged_ms: number;
  unplugged_ms?: Maybe<number>;
  vehicle?: Maybe<string>;
  energy_wh: number;
  costs: Money[];
  origin: Origin;
  transactions: Transaction[];
}

export interface SessionTotals {
  count: number;
  energy_wh: number;
  charging_ms: number;
  origin: Origin;
  costs: Money[];
}

export interface SessionPage extends Page<ChargingSession> {
  totals?: Maybe<SessionTotals>;
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
}

export interface AuditEntry {
  at_ms: number;
  principal: string;
  door: string;
  action: string;
  subject?: Maybe<string>;
  outcome?: Maybe<string>;
}

export interface EnergyRow {
  start_ms: number;
  end_ms: number;
  energy_wh: number;
  complete: boolean;
}

export interface EnergySeries {
  series: string;
  rows: EnergyRow[];
}

export interface Energy {
  time_zone: string;
  items: EnergySeries[];
}

export interface Parcel {
  id: string;
  target: string;
  kind?: Maybe<string>;
  subject?: Maybe<string>;
  created_ms: number;
  attempts: number;
  state: "waiting" | "dead" | "delivered";
  at_ms?: Maybe<number>;
  last_error?: Maybe<string>;
}

export interface Storage {
  records_bytes: number;
  history_bytes: number;
  oldest_ms?: Maybe<number>;
  newest_ms?: Maybe<number>;
  series: number;
  retention: { raw_days: number; minute_days: number };
  backups: { name: string; bytes: number; at_ms: number }[];
}

export interface Setting {
  key: string;
  value: unknown;
  source: "file" | "default";
}

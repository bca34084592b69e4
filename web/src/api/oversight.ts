// Calls of an authority about its operators, and of an operator's people about theirs.

import { call, json, query } from "./client";

export type PortLook = "idle" | "occupied" | "charging" | "reserved" | "complete" | "fault" | "other" | "offline" | "never";
export type RiskLevel = "low" | "medium" | "high";
export type OperatorCallback = "report_failed" | "past_sample" | "risk";
export type OperatorDigest = "sha256" | "sha512" | "sha1";
export type OperatorDuplicates = "refuse" | "replace";
export type FailureState = "open" | "repaired" | "lost";
export type EntityKind = "station" | "equipment" | "port";

export interface OperatorView {
  id: string;
  name: string;
  suspended: boolean;
  local: boolean;
  digest: OperatorDigest;
  always_200: boolean;
  duplicates: OperatorDuplicates;
  cascade: boolean;
  delete_missing_fails: boolean;
  strict: boolean;
  field_names: Record<string, string>;
  registered_ms: number;
  earlier_key_until_ms?: number;
  last_login_ms?: number;
  last_login_from?: string;
}

export interface OperatorBody {
  id?: string;
  name: string;
  suspended: boolean;
  local: boolean;
  digest: OperatorDigest;
  always_200: boolean;
  duplicates: OperatorDuplicates;
  cascade: boolean;
  delete_missing_fails: boolean;
  strict: boolean;
  field_names: Record<string, string>;
  secret?: string;
}

export interface Quality {
  kept: number;
  failed: number;
  repaired: number;
  lost: number;
  late: number;
  records: number;
  warnings: number;
  told: number;
  not_told: number;
  findings: Record<string, number>;
}

export interface OperatorGlance {
  id: string;
  name: string;
  suspended: boolean;
  tally: { stations: number; equipment: number; ports: number; looks: Record<string, number>; stale: number };
  quality: Quality;
  warnings: Record<string, number>;
  energy_wh: number;
  energy_cost_micros: number;
  service_cost_micros: number;
  heard_ms?: number;
}

export interface OversightOverview {
  day: string;
  time_zone: string;
  currency: string;
  operators: OperatorGlance[];
  problem?: string;
}

export interface StationPin {
  operator: string;
  station: string;
  name: string;
  longitude_udeg?: number;
  latitude_udeg?: number;
  looks: Record<string, number>;
  risk?: RiskLevel;
}

export interface PortSample {
  at_ms: number;
  state: PortLook;
  state_number?: number;
  error?: number;
  door?: number;
  voltage_mv?: number;
  current_ma?: number;
  power_w?: number;
  energy_wh?: number;
  temperature_mdegc?: number;
  soc_permille?: number;
  duration_s?: number;
  charge?: string;
  smoke?: number;
  more?: Record<string, string>;
}

export interface PortView {
  port: string;
  equipment: string;
  station: string;
  look: PortLook;
  stale: boolean;
  sample?: PortSample;
  seen_ms?: number;
  risk?: RiskLevel;
}

export interface EntityView {
  id: string;
  parent?: string;
  fields: Record<string, string>;
  told_ms: number;
}

export interface FindingView {
  at_ms: number;
  about: string;
  kind: string;
  field: string;
  value: string;
  expected: string;
}

export interface FailureView {
  id: string;
  operator: string;
  port?: string;
  state: FailureState;
  first_ms: number;
  last_ms: number;
  count: number;
  status: number;
  message: string;
  body: string;
}

export interface WarningView {
  id: string;
  operator: string;
  port: string;
  rule: string;
  level: RiskLevel;
  reason: string;
  raised_ms: number;
  told_ms?: number;
  cleared_ms?: number;
  acknowledged_ms?: number;
  acknowledged_by?: string;
  escalated: boolean;
  samples: PortSample[];
}

export interface FiredView {
  rule: string;
  level: RiskLevel;
  reason: string;
  raised_ms: number;
  cleared_ms?: number;
}

export interface RecordView {
  operator: string;
  charge: string;
  port: string;
  start_ms: number;
  end_ms: number;
  energy_wh: number;
  energy_cost_micros: number;
  service_cost_micros: number;
  start_kind: number;
  stop_reason: number;
  average_power_w?: number;
  received_ms: number;
  orphan: boolean;
}

export interface OperatorAddresses {
  addresses: { callback: OperatorCallback; url: string; since_ms: number }[];
  changes: { callback: OperatorCallback; old?: string; new?: string; at_ms: number; from?: string; by: string }[];
}

export interface DailyRow {
  day: string;
  operator: string;
  name: string;
  stations: number;
  ports: number;
  quality: Quality;
  charges: number;
  energy_wh: number;
  energy_cost_micros: number;
  service_cost_micros: number;
}

export interface NumberedPage<T> {
  page: number;
  size: number;
  total: number;
  items: T[];
}

interface Listed<T> {
  items: T[];
  next?: string;
}

const one = (operator: string, rest = "") => `/oversight/operators/${encodeURIComponent(operator)}${rest}`;
const at = (operator: string, port: string, rest: string) => one(operator, `/ports/${encodeURIComponent(port)}/${rest}`);

export function overview(): Promise<OversightOverview> {
  return json(call("GET", "/oversight/overview"));
}

export function operators(): Promise<Listed<OperatorView>> {
  return json(call("GET", "/oversight/operators"));
}

export function operator(id: string): Promise<OperatorView> {
  return json(call("GET", one(id)));
}

/** The answer holds the key; nothing else ever does. */
export function addOperator(body: OperatorBody): Promise<{ operator: OperatorView; secret: string }> {
  return json(call("POST", "/oversight/operators", body));
}

export async function putOperator(id: string, body: OperatorBody): Promise<void> {
  await call("PUT", one(id), body);
}

export async function deleteOperator(id: string): Promise<void> {
  await call("DELETE", one(id));
}

/** Another key; it is told this once. */
export function rotateSecret(id: string, overlap_s: number): Promise<{ secret: string; earlier_key_until_ms?: number }> {
  return json(call("POST", one(id, "/secret"), { overlap_s }));
}

/** Each time it is seen stands in the audit log. */
export function callbackToken(id: string): Promise<{ token?: string }> {
  return json(call("GET", one(id, "/callback-token")));
}

export function renewCallbackToken(id: string): Promise<{ token?: string }> {
  return json(call("POST", one(id, "/callback-token")));
}

export function addresses(id: string): Promise<OperatorAddresses> {
  return json(call("GET", one(id, "/addresses")));
}

export function setAddress(id: string, callback: OperatorCallback, url: string): Promise<OperatorAddresses> {
  return json(call("PUT", one(id, `/addresses/${callback}`), { url }));
}

export function clearAddress(id: string, callback: OperatorCallback): Promise<OperatorAddresses> {
  return json(call("DELETE", one(id, `/addresses/${callback}`)));
}

export function stations(operator: string | null): Promise<{ datum: string; items: StationPin[] }> {
  return json(call("GET", `/oversight/stations${query({ operator })}`));
}

export interface PortFilter {
  look: string | null;
  station: string | null;
  text: string | null;
  warned: boolean;
}

export function ports(id: string, { warned, ...filter }: PortFilter, page: number): Promise<NumberedPage<PortView>> {
  return json(call("GET", one(id, `/ports${query({ ...filter, warned: warned ? "true" : null, page })}`)));
}

/** The oldest first; the newest of a long time may be cut off. */
export function samples(id: string, port: string, from_ms: number, to_ms: number): Promise<{ items: PortSample[]; more: boolean }> {
  return json(call("GET", at(id, port, `samples${query({ from_ms, to_ms })}`)));
}

/** What the rules of today would have raised at a port. */
export function replay(id: string, port: string, from_ms: number, to_ms: number): Promise<{ items: FiredView[] }> {
  return json(call("GET", at(id, port, `replay${query({ from_ms, to_ms })}`)));
}

export function askPastSample(id: string, port: string, at_ms: number): Promise<{ sample?: PortSample; why?: string }> {
  return json(call("POST", at(id, port, "past-sample"), { at_ms }, { is_long: true }));
}

export function entities(id: string, kind: EntityKind, page: number): Promise<NumberedPage<EntityView>> {
  return json(call("GET", one(id, `/entities${query({ kind, page })}`)));
}

/** Days of the authority's calendar, both included. */
export function quality(id: string, from: string, to: string): Promise<{ items: { day: string; quality: Quality }[] }> {
  return json(call("GET", one(id, `/quality${query({ from, to })}`)));
}

export function findings(id: string): Promise<{ items: FindingView[] }> {
  return json(call("GET", one(id, "/findings")));
}

export function failures(operator: string, state: FailureState | null, cursor: string | null): Promise<Listed<FailureView>> {
  return json(call("GET", `/oversight/failures${query({ operator, state, cursor })}`));
}

export function warnings(operator: string | null, is_open: boolean, cursor: string | null): Promise<Listed<WarningView>> {
  return json(call("GET", `/oversight/warnings${query({ operator, open: is_open ? "true" : null, cursor })}`));
}

export async function acknowledgeWarning(id: string): Promise<void> {
  await call("POST", `/oversight/warnings/${encodeURIComponent(id)}/acknowledgement`);
}

export interface RecordFilter {
  operator: string | null;
  port: string | null;
  from_ms: number | null;
  to_ms: number | null;
  orphans: boolean;
}

export function records({ orphans, ...filter }: RecordFilter, page: number): Promise<NumberedPage<RecordView>> {
  return json(call("GET", `/oversight/records${query({ ...filter, orphans: orphans ? "true" : null, page })}`));
}

export function dailyReport(day: string): Promise<{ day: string; currency: string; items: DailyRow[] }> {
  return json(call("GET", `/oversight/report${query({ day })}`));
}

/** Where the same is found as a file. */
export function dailyReportCsv(day: string): string {
  return `/api/v1/oversight/report.csv${query({ day })}`;
}

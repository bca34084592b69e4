// Calls of an authority about its operators, and of an operator's people about theirs.

import { call, json, query } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

export type PortLook = Schemas["PortLook"];
export type RiskLevel = Schemas["RiskLevel"];
export type OperatorCallback = Schemas["OperatorCallback"];
export type FailureState = Schemas["FailureState"];
export type OperatorView = Schemas["OperatorView"];
export type OperatorBody = Schemas["OperatorBody"];
export type Quality = Schemas["QualityView"];
export type OperatorGlance = Schemas["OperatorGlance"];
export type OversightOverview = Schemas["OversightOverview"];
export type StationPin = Schemas["StationPin"];
export type PortSample = Schemas["PortSample"];
export type PortView = Schemas["PortView"];
export type FindingView = Schemas["FindingView"];
export type FailureView = Schemas["FailureView"];
export type WarningView = Schemas["WarningView"];
export type FiredView = Schemas["FiredView"];
export type EntityView = Schemas["EntityView"];
export type EntityKind = "station" | "equipment" | "port";
export type RecordView = Schemas["RecordView"];
export type OperatorAddresses = Schemas["OperatorAddresses"];
export type DailyRow = Schemas["DailyRowView"];

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

/** What an operator has registered, as it described it. */
export function entities(id: string, kind: EntityKind, page: number): Promise<NumberedPage<EntityView>> {
  return json(call("GET", one(id, `/entities${query({ kind, page })}`)));
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

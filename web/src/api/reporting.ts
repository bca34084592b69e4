// Calls about platforms that our own sites are reported to.

import { call, json } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Reporting = Schemas["ReportToView"];
export type ReportingBody = Schemas["ReportToBody"];
export type ReportedSite = Schemas["ReportedSite"];
export type ReportingState = Schemas["ReportToState"];
export type ReportPreview = Schemas["ReportPreview"];
export type Datum = Schemas["Datum"];

const one = (id: string, rest = "") => `/reporting/${encodeURIComponent(id)}${rest}`;

export function platforms(): Promise<{ items: Reporting[] }> {
  return json(call("GET", "/reporting"));
}

export function addPlatform(body: ReportingBody): Promise<Reporting> {
  return json(call("POST", "/reporting", body));
}

export function putPlatform(body: ReportingBody): Promise<Reporting> {
  return json(call("PUT", one(body.id), body));
}

export async function deletePlatform(id: string): Promise<void> {
  await call("DELETE", one(id));
}

/** What would be sent, without sending it. */
export function preview(body: ReportingBody): Promise<ReportPreview> {
  return json(call("POST", "/reporting-preview", body, { is_long: true }));
}

/** Lets records that were refused wait once more, and says how many. */
export function retry(id: string): Promise<{ records: number }> {
  return json(call("POST", one(id, "/retry")));
}

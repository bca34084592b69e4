// Calls about charging sessions and who may charge.

import { call, json, ofSite, query } from "./client";
import type { ChargingSession, SessionPage, Shown } from "./types";

export interface SessionFilter {
  from_ms: number | null;
  to_ms: number | null;
  evse: string | null;
  user: string | null;
  vehicle: string | null;
}

export function sessions(site: string, filter: SessionFilter, cursor: string | null): Promise<SessionPage> {
  return json(call("GET", ofSite(site, `sessions${query({ ...filter, cursor })}`)));
}

export function chargingSession(site: string, id: string): Promise<ChargingSession> {
  return json(call("GET", ofSite(site, `sessions/${encodeURIComponent(id)}`)));
}

/** Where the same sessions are found as a file. */
export function sessionsCsv(site: string, filter: SessionFilter): string {
  return `/api/v1${ofSite(site, `sessions.csv${query({ ...filter })}`)}`;
}

/** Shows the right to charge at an EVSE: a card, a PIN, or `app` for one's own name. */
export async function authorise(site: string, evse: string, shown: Shown): Promise<void> {
  await call("POST", ofSite(site, `evses/${encodeURIComponent(evse)}/authorisation`), shown);
}

/** Stops the transaction at an EVSE. */
export async function withdraw(site: string, evse: string): Promise<void> {
  await call("DELETE", ofSite(site, `evses/${encodeURIComponent(evse)}/authorisation`));
}

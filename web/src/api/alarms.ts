// Calls about alarms and about what is owed to the outside.

import { call, json, ofSite, query } from "./client";
import type { Alarm, AlarmList, Parcel, ParcelList } from "./types";

export function alarms(site: string, state: "open" | "all", cursor: string | null): Promise<AlarmList> {
  return json(call("GET", ofSite(site, `alarms${query({ state, cursor })}`)));
}

export async function acknowledge(site: string, alarm: Alarm): Promise<void> {
  const { device, code, raised_ms } = alarm;
  await call("POST", ofSite(site, "alarms/acknowledgement"), { ...(device === null ? {} : { device }), code, raised_ms });
}

export function outbox(state: Parcel["state"], cursor: string | null): Promise<ParcelList> {
  return json(call("GET", `/outbox${query({ state, cursor })}`));
}

export async function retryParcel(id: string): Promise<void> {
  await call("POST", `/outbox/${encodeURIComponent(id)}/retry`);
}

/** With what webhooks are signed; each time it is seen stands in the audit log. */
export async function signingKey(): Promise<string> {
  const { key } = await json<{ key: string }>(call("GET", "/outbox/signing-key"));
  return key;
}

export async function deleteParcel(id: string): Promise<void> {
  await call("DELETE", `/outbox/${encodeURIComponent(id)}`);
}

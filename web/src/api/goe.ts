// Calls about a charging point as a go-e charger: how it is reached, and its keys.

import { call, json, ofSite } from "./client";
import type { GoeDoorChange, GoeDoor, GoeKeyList, GoeValues } from "./types";

const at = (site: string, evse: string, rest = "") => ofSite(site, `evses/${encodeURIComponent(evse)}/goe${rest}`);

/** Without the token, unless it is asked for: that is noted. */
export function goeDoor(site: string, evse: string, with_token = false): Promise<GoeDoor> {
  return json(call("GET", at(site, evse, `?token=${with_token}`)));
}

export function putGoeDoor(site: string, evse: string, change: GoeDoorChange): Promise<GoeDoor> {
  return json(call("PUT", at(site, evse), change));
}

export function renewGoeToken(site: string, evse: string): Promise<GoeDoor> {
  return json(call("POST", at(site, evse, "/token")));
}

export function goeKeys(site: string, evse: string): Promise<GoeKeyList> {
  return json(call("GET", at(site, evse, "/keys")));
}

/** The values and their tag; null when they are those of `tag` still. */
export async function goeValues(site: string, evse: string, tag: string | null): Promise<[GoeValues, string | null] | null> {
  const response = await call("GET", at(site, evse, "/values"), undefined, { tag });
  if (response.status === 304) return null;
  return [(await response.json()) as GoeValues, response.headers.get("etag")];
}

export async function writeGoeKey(site: string, evse: string, key: string, value: unknown): Promise<void> {
  await call("PUT", at(site, evse, `/keys/${encodeURIComponent(key)}`), { value });
}

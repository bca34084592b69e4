// Calls about accounts of ShineMonitor clients.

import { call, json } from "./client";
import type { ShinemonitorAccount, ShinemonitorAccountBody, ShinemonitorAccountList, ShinemonitorCode } from "./types";

const one = (number: number) => `/shinemonitor/accounts/${number}`;

export function accounts(): Promise<ShinemonitorAccountList> {
  return json(call("GET", "/shinemonitor/accounts"));
}

export function addAccount(body: ShinemonitorAccountBody): Promise<ShinemonitorAccount> {
  return json(call("POST", "/shinemonitor/accounts", body));
}

export function changeAccount(number: number, body: ShinemonitorAccountBody): Promise<ShinemonitorAccount> {
  return json(call("PUT", one(number), body));
}

export async function deleteAccount(number: number): Promise<void> {
  await call("DELETE", one(number));
}

/** A code to make an account with; it is told this once. */
export function makeCode(pn: string, site: string): Promise<ShinemonitorCode> {
  return json(call("POST", "/shinemonitor/codes", { pn, site }));
}

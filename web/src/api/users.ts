// Calls about users, their cards and passwords, tokens, and the audit log.

import { call, json, query } from "./client";
import type { AuditList, CardBody, ParcelList, TokenBody, TokenList, UserBody, UserList } from "./types";

const one = (id: string) => `/users/${encodeURIComponent(id)}`;

export function users(): Promise<UserList> {
  return json(call("GET", "/users?limit=500"));
}

export async function addUser(user: UserBody): Promise<void> {
  await call("POST", "/users", user);
}

export async function putUser(id: string, user: UserBody): Promise<void> {
  await call("PUT", one(id), user);
}

export async function deleteUser(id: string, sessions: "keep" | "anonymise"): Promise<void> {
  await call("DELETE", `${one(id)}${query({ sessions })}`);
}

export async function setPassword(id: string, password: string, current?: string): Promise<void> {
  await call("PUT", `${one(id)}/password`, { password, ...(current === undefined ? {} : { current }) });
}

/** Sends a test by every way the user is told of alarms; gives how many ways there are. */
export async function testNotification(id: string): Promise<number> {
  const { items } = await json<ParcelList>(call("POST", `${one(id)}/notify/test`));
  return items.length;
}

export async function addCard(user: string, card: CardBody): Promise<void> {
  await call("POST", `${one(user)}/cards`, card);
}

export async function putCard(user: string, id: string, card: CardBody): Promise<void> {
  await call("PUT", `${one(user)}/cards/${encodeURIComponent(id)}`, card);
}

export async function deleteCard(user: string, id: string): Promise<void> {
  await call("DELETE", `${one(user)}/cards/${encodeURIComponent(id)}`);
}

export function tokens(): Promise<TokenList> {
  return json(call("GET", "/tokens?limit=500"));
}

/** The answer holds the token; nothing else ever does. */
export function addToken(token: TokenBody): Promise<{ token: string }> {
  return json(call("POST", "/tokens", token));
}

export async function deleteToken(name: string): Promise<void> {
  await call("DELETE", `/tokens/${encodeURIComponent(name)}`);
}

export interface AuditFilter {
  principal: string | null;
  door: string | null;
  from_ms: number | null;
  to_ms: number | null;
}

export function audit(filter: AuditFilter, cursor: string | null): Promise<AuditList> {
  return json(call("GET", `/audit${query({ ...filter, cursor })}`));
}

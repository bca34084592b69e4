// Calls about users, their cards and passwords, tokens, and the audit log.

import { call, json, query } from "./client";
import type { AuditEntry, Card, Page, Token, User } from "./types";

const one = (id: string) => `/users/${encodeURIComponent(id)}`;

export function users(): Promise<Page<User>> {
  return json(call("GET", "/users?limit=500"));
}

export async function addUser(user: UserBody): Promise<void> {
  await call("POST", "/users", user);
}

export async function putUser(user: UserBody): Promise<void> {
  await call("PUT", one(user.id), user);
}

export async function deleteUser(id: string, sessions: "keep" | "anonymise"): Promise<void> {
  await call("DELETE", `${one(id)}${query({ sessions })}`);
}

/** What can be written of a user. */
export type UserBody = Omit<User, "has_password" | "cards">;

export async function setPassword(id: string, password: string, current?: string): Promise<void> {
  await call("PUT", `${one(id)}/password`, { password, ...(current === undefined ? {} : { current }) });
}

/** What can be written of a card; the number is never told again. */
export type CardBody = Omit<Card, "id" | "number_hint"> & { number?: string };

export async function addCard(user: string, card: CardBody): Promise<void> {
  await call("POST", `${one(user)}/cards`, card);
}

export async function putCard(user: string, id: string, card: CardBody): Promise<void> {
  await call("PUT", `${one(user)}/cards/${encodeURIComponent(id)}`, card);
}

export async function deleteCard(user: string, id: string): Promise<void> {
  await call("DELETE", `${one(user)}/cards/${encodeURIComponent(id)}`);
}

export function tokens(): Promise<Page<Token>> {
  return json(call("GET", "/tokens?limit=500"));
}

/** The answer holds the token; nothing else ever does. */
export function addToken(token: Token): Promise<{ token: string }> {
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

export function audit(filter: AuditFilter, cursor: string | null): Promise<Page<AuditEntry>> {
  return json(call("GET", `/audit${query({ ...filter, cursor })}`));
}

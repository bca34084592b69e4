// Typed calls of the native API. Knows addresses and errors, and nothing about pages or state.

import type { HelpList, History, HistorySeries, Intent, PageSessionList, Receipt, Session, SetUp, SignIn, TicketSignIn } from "./types";

/** Series one request may name. */
const MAX_SERIES = 20;
/** An answer that takes longer will not help anybody. */
const TIMEOUT_MS = 15_000;
/** For what takes its time, such as a backup. */
const LONG_TIMEOUT_MS = 600_000;

/** A refusal by the server, or `status` 0 when it could not be asked at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly expected: string | null = null,
  ) {
    super(message);
  }
}

let onUnauthorized: () => void = () => {};

/** Who is told when any answer says that nobody is signed in. */
export function whenUnauthorized(listener: () => void): void {
  onUnauthorized = listener;
}

/** Tells the listener above; the event stream uses it as well. */
export function unauthorized(): void {
  onUnauthorized();
}

async function refusal(response: Response): Promise<ApiError> {
  let code = "";
  let message = "";
  let expected: string | null = null;
  try {
    const body = (await response.json()) as { error?: Record<string, unknown> };
    code = String(body.error?.["code"] ?? "");
    message = String(body.error?.["message"] ?? "");
    if (typeof body.error?.["expected"] === "string") expected = body.error["expected"];
  } catch {
    // A proxy in between answers in its own words; the status says enough.
  }
  return new ApiError(response.status, code, message, expected);
}

/** One request; with a `tag`, an answer of 304 says that nothing has changed since. A refusal is an `ApiError`. */
export async function call(
  method: string,
  path: string,
  body?: unknown,
  { is_signing_in = false, is_long = false, tag = null as string | null } = {},
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      signal: AbortSignal.timeout(is_long ? LONG_TIMEOUT_MS : TIMEOUT_MS),
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(tag === null ? {} : { "if-none-match": tag }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, "unreachable", "");
  }
  if (response.ok || (tag !== null && response.status === 304)) return response;
  if (response.status === 401 && !is_signing_in) unauthorized();
  throw await refusal(response);
}

export async function json<T>(response: Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

/** A query without what is not set. */
export function query(params: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(params).flatMap(([name, value]) =>
    value == null || value === "" ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** The address of a site's things. */
export function ofSite(site: string, rest: string): string {
  return `/sites/${encodeURIComponent(site)}/${rest}`;
}

export function session(): Promise<Session> {
  return json(call("GET", "/session"));
}

export async function signIn(body: SignIn): Promise<void> {
  await call("POST", "/session", body, { is_signing_in: true });
}

export async function signInWithTicket(body: TicketSignIn): Promise<void> {
  await call("POST", "/session/ticket", body, { is_signing_in: true });
}

export async function setUp(body: SetUp): Promise<void> {
  await call("POST", "/setup", body, { is_signing_in: true });
}

export async function signOut(): Promise<void> {
  await call("DELETE", "/session");
}

/** Where the caller is signed in, the place last used first. */
export function pageSessions(): Promise<PageSessionList> {
  return json(call("GET", "/session/all"));
}

export async function signOutEverywhere(): Promise<void> {
  await call("DELETE", "/session/all");
}

/** What would let an EVSE charge, or charge with more. */
export function help(site: string, evse: string): Promise<HelpList> {
  return json(call("GET", ofSite(site, `evses/${encodeURIComponent(evse)}/help`)));
}

export function intend(site: string, intent: Intent): Promise<Receipt> {
  return json(call("POST", ofSite(site, "intents"), intent));
}

/** Asks for many series in as many requests as it takes. */
export function inParts<T>(series: string[], ask: (part: string) => Promise<T>): Promise<T[]> {
  const parts: Promise<T>[] = [];
  for (let start = 0; start < series.length; start += MAX_SERIES) {
    parts.push(ask(series.slice(start, start + MAX_SERIES).join(",")));
  }
  return Promise.all(parts);
}

/** Values of named series (`device:grid.power`) at a step of so many seconds, in as many requests as it takes. */
export async function history(
  site: string,
  series: string[],
  from_ms: number,
  to_ms: number,
  step_s: number,
): Promise<HistorySeries[]> {
  const parts = await inParts(series, (part) =>
    json<History>(call("GET", ofSite(site, `history${query({ series: part, from_ms, to_ms, step_s })}`))),
  );
  return parts.flatMap((part) => part.series);
}

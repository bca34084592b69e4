// Typed calls of the native API. Knows addresses and errors, and nothing about pages or state.

import type { History, HistorySeries, Intent, Receipt, Session, SetUp, SignIn, TicketSignIn } from "./types";

/** Series one request may name. */
const MAX_SERIES = 20;
/** An answer that takes longer will not help anybody. */
const TIMEOUT_MS = 15_000;

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

async function call(method: string, path: string, body?: unknown, signingIn = false): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new ApiError(0, "unreachable", "");
  }
  if (response.ok) return response;
  if (response.status === 401 && !signingIn) unauthorized();
  throw await refusal(response);
}

async function json<T>(response: Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

export function session(): Promise<Session> {
  return json(call("GET", "/session"));
}

export async function signIn(body: SignIn): Promise<void> {
  await call("POST", "/session", body, true);
}

export async function signInWithTicket(body: TicketSignIn): Promise<void> {
  await call("POST", "/session/ticket", body, true);
}

export async function setUp(body: SetUp): Promise<void> {
  await call("POST", "/setup", body, true);
}

export async function signOut(): Promise<void> {
  await call("DELETE", "/session");
}

export function intend(site: string, intent: Intent): Promise<Receipt> {
  return json(call("POST", `/sites/${encodeURIComponent(site)}/intents`, intent));
}

/** Values of named series (`device:grid.power`) at a step of so many seconds, in as many requests as it takes. */
export async function history(
  site: string,
  series: string[],
  from_ms: number,
  to_ms: number,
  step_s: number,
): Promise<HistorySeries[]> {
  const parts: Promise<History>[] = [];
  for (let start = 0; start < series.length; start += MAX_SERIES) {
    const query = new URLSearchParams({
      series: series.slice(start, start + MAX_SERIES).join(","),
      from_ms: String(from_ms),
      to_ms: String(to_ms),
      step_s: String(step_s),
    });
    parts.push(json(call("GET", `/sites/${encodeURIComponent(site)}/history?${query}`)));
  }
  return (await Promise.all(parts)).flatMap((part) => part.series);
}

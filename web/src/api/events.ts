// The live event stream: reads it, resumes after the last id, comes back with growing pauses.
//
// The browser's own EventSource hides why a connection failed and forgets the last id when it gives up,
// so the stream is read with fetch. What the messages mean is not known here.

import { unauthorized } from "./client";
import { type Message, SseParser } from "./sse";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** Keep-alive comments come every 15 s: a connection silent for longer than two of them is dead. */
const DEAD_AFTER_MS = 35_000;

export interface Listener {
  message(type: string, data: unknown): void;
  /** Whether a connection stands. */
  connected(is_connected: boolean): void;
}

/** Starts reading; the returned function ends it. */
export function listen(listener: Listener): () => void {
  const end = new AbortController();
  void run(listener, end.signal);
  return () => end.abort();
}

/** The pause before the next attempt: doubling, with a random part so that many pages do not come back at once. */
export function pause(failures: number, random: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  return longest / 2 + (longest / 2) * random;
}

async function run(listener: Listener, ended: AbortSignal): Promise<void> {
  let last_id: string | null = null;
  let failures = 0;
  while (!ended.aborted) {
    try {
      await readOnce(last_id, ended, (message) => {
        failures = 0;
        if (message.id !== null) last_id = message.id;
        listener.message(message.type, JSON.parse(message.data));
      }, () => listener.connected(true));
    } catch {
      // Whatever broke it, the way on is the same: come back later.
    }
    if (ended.aborted) return;
    listener.connected(false);
    await sleep(pause(failures, Math.random()), ended);
    failures += 1;
  }
}

async function readOnce(
  last_id: string | null,
  ended: AbortSignal,
  onMessage: (message: Message) => void,
  onOpen: () => void,
): Promise<void> {
  const dead = new AbortController();
  let watch = setTimeout(() => dead.abort(), DEAD_AFTER_MS);
  try {
    const response = await fetch("/api/v1/events", {
      headers: { accept: "text/event-stream", ...(last_id === null ? {} : { "last-event-id": last_id }) },
      cache: "no-store",
      signal: AbortSignal.any([ended, dead.signal]),
    });
    if (response.status === 401) unauthorized();
    if (!response.ok || !response.body) return;
    onOpen();
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(() => dead.abort(), DEAD_AFTER_MS);
      for (const message of parser.push(value)) onMessage(message);
    }
  } finally {
    clearTimeout(watch);
    dead.abort();
  }
}

/** Waits, at most until the browser says that the network is back. */
function sleep(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      window.removeEventListener("online", wake);
      ended.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    window.addEventListener("online", wake);
    ended.addEventListener("abort", wake);
  });
}

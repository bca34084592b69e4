import { afterEach, beforeEach, expect, test, vi } from "vitest";

const stream = vi.hoisted(() => ({ listener: null as null | { message(type: string, data: unknown): void } }));
vi.mock("../api/events", () => ({
  listen: (listener: { message(type: string, data: unknown): void }) => {
    stream.listener = listener;
    return () => {};
  },
}));

const { live } = await import("./live.svelte");
const view = (id: string, at_ms: number) => ({ id, at_ms, epoch: 1, circuits: [], devices: [], evses: [], alarms: [] });
const say = (type: string, data: unknown) => stream.listener?.message(type, data);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  live.start();
});

afterEach(() => {
  live.stop();
  vi.useRealTimers();
});

test("data is old after five seconds of silence, and young again with the next message", () => {
  say("view", view("home", 1_000_000));
  vi.advanceTimersByTime(5_000);
  expect(live.is_old).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(live.is_old).toBe(true);
  say("patch", { ...view("home", 1_006_000), site: "home" });
  expect(live.is_old).toBe(false);
  expect(live.views.map((one) => one.at_ms)).toEqual([1_006_000]);
});

test("the server's clock counts for its own times", () => {
  say("view", view("home", 5_000_000));
  vi.advanceTimersByTime(3_000);
  expect(live.server_now_ms).toBe(5_003_000);
});

test("sites keep their order, a whole view replaces the one before", () => {
  for (const [id, at_ms] of [["home", 1], ["yard", 2], ["home", 3]] as const) say("view", view(id, at_ms));
  expect(live.views.map((one) => [one.id, one.at_ms])).toEqual([
    ["home", 3],
    ["yard", 2],
  ]);
});

test("the making of the past is shown while it goes on, and its end is noticed once", () => {
  const before = live.backfills;
  say("backfill", { progress_permille: 400 });
  expect(live.backfill_permille).toBe(400);
  say("backfill", { progress_permille: 1_000 });
  say("backfill", { progress_permille: 1_000 });
  expect(live.backfill_permille).toBeNull();
  expect(live.backfills).toBe(before + 1);
});

test("signing out leaves nothing behind", () => {
  say("view", view("home", 1));
  live.stop();
  expect(live.views).toEqual([]);
  expect(live.last_news_ms).toBeNull();
});

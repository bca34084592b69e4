import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EvseView, SiteView, Wish } from "../api/types";
import { wishes } from "./wishes.svelte";

const asked: Wish = { mode: "solar", force: "neutral", current_ma: 16_000, phases: null, energy_limit_wh: null, price_limit_micros_per_kwh: null };
const evse = { id: "left", wish: asked } as EvseView;
let site: SiteView;
let sites = 0;
let sent: unknown[] = [];
let answer: () => Response;

beforeEach(() => {
  vi.useFakeTimers();
  sites += 1; // wishes are kept for each site; every test has its own
  site = { id: `site-${sites}`, at_ms: 1_000 } as SiteView;
  sent = [];
  answer = () => Response.json({ at_ms: 2_000, epoch: 1, wish: { ...asked, mode: "fast" } }, { status: 202 });
  vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
    sent.push(JSON.parse(String(init.body)));
    return Promise.resolve(answer());
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a wish shows at once, is sent after a rest, and gives way to the view", async () => {
  wishes.mode(site, evse, "min_solar");
  wishes.mode(site, evse, "fast");
  expect(wishes.shown(site, evse).mode).toBe("fast");
  expect(wishes.is_sending(site, evse)).toBe(true);
  expect(sent).toEqual([]);

  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toEqual([{ kind: "mode", evse: "left", mode: "fast" }]);
  expect(wishes.is_sending(site, evse)).toBe(false);
  // A patch made before the receipt still has the old wish; one made after it is believed.
  expect(wishes.shown({ ...site, at_ms: 1_900 }, evse).mode).toBe("fast");
  expect(wishes.shown({ ...site, at_ms: 2_100 }, evse).mode).toBe("solar");
});

test("mode and current asked for together both stay shown and both are sent", async () => {
  wishes.mode(site, evse, "fast");
  wishes.current(site, evse, 8_000);
  expect(wishes.shown(site, evse)).toEqual({ ...asked, mode: "fast", current_ma: 8_000 });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toEqual([
    { kind: "mode", evse: "left", mode: "fast" },
    { kind: "current", evse: "left", current_ma: 8_000 },
  ]);
});

test("a refusal is told in words, and the view counts again", async () => {
  answer = () => Response.json({ error: { code: "out_of_range", message: "current is 99 A" } }, { status: 422 });
  wishes.current(site, evse, 99_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(wishes.shown(site, evse)).toEqual(asked);
  expect(wishes.error(site, evse)).toBe("Not possible: current is 99 A");
  wishes.dismiss(site, evse);
  expect(wishes.error(site, evse)).toBeNull();
});

test("a server that cannot be reached changes nothing", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed to fetch")));
  wishes.mode(site, evse, "off");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(wishes.shown(site, evse).mode).toBe("solar");
  expect(wishes.error(site, evse)).toBe("Ohmstead cannot be reached. Nothing was changed.");
});

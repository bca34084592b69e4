// The page in a real browser against the real binary: what a person sees and does.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { openBrowser, openDemo, openWire, OUTPUT, until } from "./support.mjs";
import { axe, Visits } from "./visits.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("../src/api/types").EvseView} EvseView */
/** @typedef {import("../src/api/types").SiteView} SiteView */

const PHONE = { width: 390, height: 844 };

/** @type {import("./support.mjs").Demo} */
let demo;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Visits} */
let visits;

before(async () => {
  demo = await openDemo();
  browser = await openBrowser();
  visits = new Visits(demo, browser);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** @param {import("playwright-core").BrowserContextOptions} options */
const open = (options = {}) => visits.open(options);
/** @param {Page} page */
const signIn = (page) => visits.signIn(page);

/**
 * The page of the first site, signed in.
 * @param {import("playwright-core").BrowserContextOptions} options
 */
async function openHome(options = {}) {
  const page = await visits.openAt(`#site=${demo.native.site_id}`, options);
  await page.locator("[data-evse]").first().waitFor();
  return page;
}

/** The site as the native API tells it. @returns {Promise<SiteView>} */
async function site() {
  const answer = await fetch(`${demo.base_url}/api/v1/sites/${demo.native.site_id}`, {
    headers: { authorization: `Bearer ${demo.native.token}` },
  });
  assert.equal(answer.status, 200);
  return /** @type {Promise<SiteView>} */ (answer.json());
}

/** @param {string} id @returns {Promise<EvseView>} */
async function evse(id) {
  const found = (await site()).evses.find((one) => one.id === id);
  assert.ok(found, `there is an EVSE ${id}`);
  return found;
}

/** Waits for an EVSE with a car that would take current. @returns {Promise<string>} */
function pluggedEvse() {
  return until("a car that can charge", 60_000, async () => {
    const found = (await site()).evses.find((one) => one.online && one.is_plugged && !one.complete);
    return found?.id ?? null;
  });
}

/** @param {Page} page @param {string} id */
function tile(page, id) {
  return page.locator(`[data-evse="${id}"]`);
}

test("a wrong password and an unknown ticket are told in words; the right password opens the house", async () => {
  const page = await open();
  await page.goto(`${demo.base_url}/#ticket=nobody-gave-this-out`);
  await page.getByText("has been used or has expired").waitFor();
  assert.equal(new URL(page.url()).hash, "", "a ticket does not stay in the address bar");
  assert.deepEqual(await axe(page), []);
  await page.getByLabel("Password").fill("certainly not it");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("do not match").waitFor();
  await signIn(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.context().close();
});

test("the printed link signs in once", async () => {
  if (demo.ticket === null) return; // a demo that somebody else started keeps its ticket to itself
  for (const expected of ["[data-evse]", "text=has been used or has expired"]) {
    const page = await open();
    await page.goto(`${demo.base_url}/#ticket=${demo.ticket}`);
    await page.locator(expected).first().waitFor();
    assert.equal(new URL(page.url()).hash, "");
    await page.context().close();
  }
});

test("power moves, the title tells it, and nothing jumps", async () => {
  const page = await openHome();
  await page.locator(".u-wrap").waitFor();
  await page.evaluate(() => {
    Object.assign(globalThis, { shift: 0 });
    new PerformanceObserver((list) => {
      // @ts-expect-error the value of a layout shift is not in the browser types
      for (const entry of list.getEntries()) globalThis.shift += entry.value;
    }).observe({ type: "layout-shift" });
  });
  const numbers = () => page.locator("svg .value").allTextContents();
  const before = await numbers();
  assert.ok(before.length >= 5, `there are nodes: ${before}`);
  await until("a number to move", 20_000, async () => String(await numbers()) !== String(before));
  await until("the title to tell the power", 5_000, async () => /\d k?W/.test((await page.title()).replaceAll("\u00a0", " ")));
  assert.match((await page.locator(".live").innerText()).trim(), /^Live/);
  await page.waitForTimeout(4_000);
  const shift = /** @type {number} */ (await page.evaluate("globalThis.shift"));
  assert.ok(shift < 0.01, `the layout shifted by ${shift}`);
  await page.context().close();
});

test("a mode chosen with the mouse and one with the keyboard reach the car", async () => {
  const id = await pluggedEvse();
  const page = await openHome();
  await tile(page, id).getByText("Off", { exact: true }).click();
  await until("the car to stop", 60_000, async () => {
    const now = await evse(id);
    return now.wish.mode === "off" && now.setpoint_ma === 0 && now.power_w < 100;
  });
  await tile(page, id).getByText("Switched off").waitFor();

  await tile(page, id).locator("input[value=off]").focus();
  for (const _ of ["solar", "min_solar", "fast"]) await page.keyboard.press("ArrowRight");
  await until("the car to charge", 120_000, async () => {
    const now = await evse(id);
    return now.wish.mode === "fast" && now.setpoint_ma >= 6_000 && now.power_w > 1_000;
  });
  await tile(page, id).locator(".power", { hasText: "kW" }).waitFor();
  await page.screenshot({ path: join(OUTPUT, "charging.png") });
  await page.context().close();
});

test("the highest current is set by step and by slider, and the car keeps to it", async () => {
  const id = await pluggedEvse();
  const page = await openHome();
  const { max_ma, wish } = await evse(id);
  await tile(page, id).getByText("Fast", { exact: true }).click();
  const slider = tile(page, id).getByRole("slider");
  await slider.focus();
  await page.keyboard.press("Home");
  await until("6 A", 10_000, async () => (await evse(id)).wish.current_ma === 6_000);
  await until("the car to keep to it", 60_000, async () => {
    const now = await evse(id);
    return now.setpoint_ma <= 6_000 && Math.max(now.current_ma.l1, now.current_ma.l2, now.current_ma.l3) < 7_000;
  });
  await tile(page, id).getByRole("button", { name: /^1 A more/ }).click();
  await tile(page, id).getByRole("button", { name: /^1 A more/ }).click();
  await until("two more", 10_000, async () => (await evse(id)).wish.current_ma === 8_000);
  assert.equal(await tile(page, id).locator("output").innerText(), "8 A");
  await slider.focus();
  await page.keyboard.press("End");
  await until("the most", 10_000, async () => (await evse(id)).wish.current_ma === max_ma);
  assert.ok(wish.current_ma >= 6_000);
  await page.context().close();
});

test("what the server refuses is told in words, and the choice goes back", async () => {
  const page = await openHome();
  const id = (await site()).evses[0]?.id ?? "";
  const chosen = () => tile(page, id).locator("input[type=radio]:checked").getAttribute("value");
  const before = await chosen();
  await page.route("**/intents", (route) =>
    route.fulfill({ status: 503, json: { error: { code: "busy", message: "busy" } } }),
  );
  await tile(page, id).locator("label", { hasText: before === "solar" ? /^\s*Off/ : /^\s*Solar/ }).click();
  await tile(page, id).getByText("is busy and changed nothing").waitFor();
  await until("the choice to go back", 5_000, async () => (await chosen()) === before);
  await tile(page, id).getByRole("button", { name: "Dismiss" }).click();
  assert.equal(await tile(page, id).getByRole("alert").count(), 0);
  await page.context().close();
});

test("silence and a lost connection are told, and the page finds back", async () => {
  const wire = await openWire(demo.base_url);
  const page = await openHome();
  /** @type {(string | undefined)[]} */
  const resumed = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/events")) resumed.push(request.headers()["last-event-id"]);
  });
  await page.goto(wire.url);
  await page.locator("[data-evse]").first().waitFor();
  const banner = page.getByText("What you see is old");
  const isLive = async () => /^\s*Live/.test(await page.locator(".live").innerText());

  wire.silence();
  await banner.waitFor({ timeout: 15_000 });
  await page.screenshot({ path: join(OUTPUT, "old.png") });
  wire.speak();
  await banner.waitFor({ state: "detached", timeout: 15_000 });
  await until("life after the silence", 10_000, isLive);

  wire.cut();
  await banner.waitFor({ timeout: 15_000 });
  wire.mend();
  await banner.waitFor({ state: "detached", timeout: 30_000 });
  await until("life after the cut", 10_000, isLive);
  assert.equal(resumed[0], undefined, "a new page asks for everything");
  assert.ok(resumed.at(-1), "a page that comes back says what it saw last");
  await page.context().close();
  wire.close();
});

test("an ended session leads back to the sign-in page", async () => {
  const page = await open();
  await signIn(page);
  await page.context().clearCookies();
  await page.locator("[data-evse]").first().getByText("Solar", { exact: true }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.context().close();
});

test("a part of the page that does not come says so, and comes with the next load", async () => {
  const page = await open();
  await page.route("**/assets/Chart-*.css", (route) => route.abort());
  await signIn(page);
  const problem = page.getByRole("alert").filter({ hasText: "could not be loaded" });
  await problem.waitFor();
  await page.unroute("**/assets/Chart-*.css");
  await problem.getByRole("button").click();
  await page.locator(".u-wrap").waitFor();
  assert.equal(await problem.count(), 0);
  await page.context().close();
});

test("where motion is not wanted nothing moves by itself", async () => {
  const page = await openHome({ reducedMotion: "reduce" });
  await page.waitForTimeout(2_000);
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  assert.equal(await page.locator("figure canvas").count(), 0, "no dots travel");
  await page.context().close();
});

/** @type {[string, import("playwright-core").BrowserContextOptions][]} */
const looks = [
  ["desktop", {}],
  ["desktop-dark", { colorScheme: "dark" }],
  ["phone", { viewport: PHONE, deviceScaleFactor: 2, hasTouch: true, isMobile: true }],
  ["phone-dark", { viewport: PHONE, deviceScaleFactor: 2, colorScheme: "dark", hasTouch: true, isMobile: true }],
];

for (const [name, options] of looks) {
  test(`${name}: usable by everybody, nothing wider than the screen, pictures kept`, async () => {
    const page = await openHome(options);
    await page.locator(".u-wrap").waitFor();
    await page.waitForTimeout(1_500);
    assert.deepEqual(await axe(page), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    await page.screenshot({ path: join(OUTPUT, `${name}.png`) });
    await page.screenshot({ path: join(OUTPUT, `${name}-full.png`), fullPage: true });
    for (const link of await page.getByRole("navigation", { name: "Site" }).getByRole("link").all()) {
      await link.click();
      await page.waitForTimeout(600);
      assert.deepEqual(await axe(page), [], `site ${await link.innerText()}`);
      await page.screenshot({ path: join(OUTPUT, `${name}-${await link.innerText()}.png`), fullPage: true });
    }
    await page.context().close();
  });
}

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(visits.complaints, []);
});

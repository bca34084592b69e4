// Going from page to page, sessions and history, in a real browser against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** How long a debug build may take to make up the past of the demo. */
const PAST_MS = 300_000;

/** Pages, and what stands on them once they have their answers. */
const PAGES = {
  solar: ".u-wrap",
  sessions: "[data-sessions]",
  history: ".u-wrap",
  vehicles: "[data-vehicle], .empty",
  users: "[data-user]",
  alarms: "#past",
  settings: "[data-tariff]",
};

const opened = openForTests();

/** Waits until the past of the demo is made up. */
async function past() {
  const { visits } = opened;
  await until("the past of the demo", PAST_MS, async () => {
    const { totals } = await visits.ask(`/sites/${visits.demo.native.site_id}/sessions?limit=1`);
    return totals.count >= 10;
  });
}

/** The rows of a CSV file by the names in its heading. @param {string} text @returns {Record<string, string>[]} */
function rows(text) {
  const [head = "", ...lines] = text.trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((cell, at) => [names[at], cell])));
}

/** @param {Record<string, string>[]} of @param {string[]} names */
const sum = (of, ...names) => of.reduce((all, row) => all + names.reduce((one, name) => one + Number(row[name]), 0), 0);

/** An energy as the page writes it, in Wh. @param {string} text */
function wattHours(text) {
  const [, value = "", unit = ""] = /^([\d.]+)\s(Wh|kWh|MWh)$/u.exec(text.trim()) ?? [];
  return Number(value) * (unit === "MWh" ? 1e6 : unit === "kWh" ? 1e3 : 1);
}

/** Whether a figure of three or four digits says that value. @param {number} shown @param {number} exact */
const says = (shown, exact) => Math.abs(shown - exact) <= Math.max(5, exact * 0.006);

/** @param {Page} page @returns {Promise<string>} */
const title = (page) => page.locator("#title").innerText();

test("the keyboard goes from page to page, and each says where one is", async () => {
  const page = await opened.visits.openAt("#/");
  await page.locator("[data-evse]").first().waitFor();
  for (const name of ["Solar", "Sessions", "History", "Vehicles", "Users", "Alarms", "Settings"]) {
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).focus();
    await page.keyboard.press("Enter");
    await until(`the page ${name}`, 30_000, async () => (await title(page)) === name);
    await until("the title", 10_000, async () => (await page.title()).startsWith(`${name} · `));
    assert.equal(await page.evaluate(() => document.activeElement?.id), "main", "the focus goes along");
    const current = page.getByRole("navigation", { name: "Pages" }).locator("[aria-current=page]");
    assert.equal((await current.innerText()).split("\n")[0], name);
  }
  await page.goBack();
  await until("the page before", 10_000, async () => (await title(page)) === "Alarms");
  await page.context().close();
});

test("sessions are filtered, counted, opened and exported", async () => {
  await past();
  const page = await opened.visits.openAt("#/sessions?span=year");
  await page.locator(PAGES.sessions).waitFor();
  const count = async () => Number(await page.locator(".totals dd").nth(2).innerText());
  await until("a count", 30_000, async () => (await count()) > 0);
  const all = await count();
  const select = page.getByRole("combobox", { name: "Charging station" });
  const first = await select.locator("option").nth(1).getAttribute("value");
  const name = await select.locator("option").nth(1).innerText();
  await select.selectOption(first);
  await until("fewer sessions", 30_000, async () => (await count()) < all);
  for (const row of await page.locator(`${PAGES.sessions} .who`).allInnerTexts()) assert.ok(row.includes(name), row);

  const href = await page.getByRole("link", { name: "CSV" }).getAttribute("href");
  assert.ok(href?.includes(`evse=${first}`), `the export has the same filter: ${href}`);
  const csv = await page.evaluate(async (address) => (await fetch(address)).text(), href ?? "");
  const exported = rows(csv);
  assert.equal(new Set(exported.map((row) => row["session"])).size, await count(), "every session is in the file");
  const shown = await page.locator(".totals dd").allInnerTexts();
  const energy = sum(exported, "energy_wh");
  assert.ok(says(wattHours(shown[0] ?? ""), energy), `${shown[0]} is the sum of the file, ${energy} Wh`);
  const cost = sum(exported, "cost");
  assert.ok(Math.abs(Number((shown[1] ?? "").replace(/[^\d.]/g, "")) - cost) < 0.05, `${shown[1]} is the sum of the file, ${cost}`);
  const origin = sum(exported, "sun_wh", "battery_wh", "grid_wh");
  assert.ok(Math.abs(origin - energy) <= exported.length, "the origins add up to the energy");

  await page.locator(`${PAGES.sessions} a`).last().click();
  await page.getByText("Meter at the start").first().waitFor();
  await page.getByText("Where it came from").first().waitFor();
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "session.png"), fullPage: true });
  await page.goBack();
  await page.getByRole("button", { name: "Show all" }).click();
  await until("all sessions again", 30_000, async () => (await count()) === all);
  await page.context().close();
});

test("the demo has cars with their charge, people in its sessions, and alarms that are over", async () => {
  await past();
  const page = await opened.visits.openAt("#/vehicles");
  for (const name of ["Blue car", "Red car"]) {
    const car = page.locator("[data-vehicle]", { hasText: name });
    await car.getByText(/^\d+\s%$/).waitFor();
  }
  await page.goto(`${opened.visits.demo.base_url}/#/sessions?span=year`);
  for (const words of ["Resident 1", "Guest", "Blue car", "Red car"]) {
    await page.locator(`${PAGES.sessions} li`, { hasText: words }).first().waitFor();
  }
  await page.goto(`${opened.visits.demo.base_url}/#/alarms`);
  await page.locator("[data-alarm=meter_silent]").first().getByText("seen by admin").waitFor();
  await page.locator("[data-alarm=device_offline]").nth(2).waitFor();
  await page.locator("li", { hasText: "resident-1@example.org" }).getByRole("button", { name: "Send again" }).waitFor();
  await page.context().close();
});

test("a day is zoomed with the keyboard, the mouse and buttons, and compared", async () => {
  const page = await opened.visits.openAt("#/history");
  await page.getByRole("button", { name: "Earlier", exact: true }).click();
  await page.locator(PAGES.history).waitFor();
  const seen = async () => {
    const picture = page.locator("[data-from]");
    return Number(await picture.getAttribute("data-to")) - Number(await picture.getAttribute("data-from"));
  };
  const whole = await seen();
  assert.ok([82_800, 86_400, 90_000].includes(whole), `a day has ${whole} s`);
  await page.locator(".host").focus();
  await page.keyboard.press("+");
  await until("a part of the day", 10_000, async () => (await seen()) < whole);
  const before = await page.locator("[data-from]").getAttribute("data-from");
  await page.keyboard.press("Shift+ArrowRight");
  await until("a later part", 10_000, async () => (await page.locator("[data-from]").getAttribute("data-from")) !== before);
  await page.keyboard.press("ArrowRight");
  await until("a point to be told", 10_000, async () => /^at \d\d:\d\d/.test(await page.locator(".where").innerText()));
  await page.keyboard.press("0");
  await until("the whole day", 10_000, async () => (await seen()) === whole);

  // The curve of the whole day is asked for once more; a hand does not drag before it is there.
  await page.waitForTimeout(1_500);
  await page.locator(".u-over").scrollIntoViewIfNeeded();
  const box = await page.locator(".u-over").boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await until("what was dragged over", 10_000, async () => (await seen()) < whole / 3);
  await page.getByRole("button", { name: "Whole day" }).click();
  await until("the whole day again", 10_000, async () => (await seen()) === whole);

  await page.getByRole("checkbox", { name: /^Compare with/ }).check();
  await until("the comparison in the address", 10_000, async () => page.url().includes("compare=1"));
  await page.screenshot({ path: join(OUTPUT, "history-compare.png"), fullPage: true });
  await page.context().close();
});

test("months and years have bars, a table, a picture and a file", async () => {
  const page = await opened.visits.openAt("#/history?span=month");
  await page.locator(PAGES.history).waitFor();
  await page.getByText("As a table").click();
  await until("rows of days", 30_000, async () => (await page.locator("tbody tr").count()) > 0);
  assert.deepEqual(await axe(page), []);
  for (const [name, ending] of /** @type {const} */ ([["Picture", ".png"], ["CSV", ".csv"]])) {
    const coming = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    const download = await coming;
    assert.ok(download.suggestedFilename().endsWith(ending));
    const content = readFileSync(await download.path());
    if (ending === ".png") assert.equal(content.subarray(1, 4).toString(), "PNG");
    else {
      assert.match(content.toString(), /^start,end,complete,from_sun_wh/);
      const exported = rows(content.toString());
      const used = await page.locator(".figures dd strong").first().innerText();
      const taken = sum(exported, "to_house_wh", "to_cars_wh");
      assert.ok(says(wattHours(used), taken), `${used} used is the sum of the file, ${taken} Wh`);
      const total = await page.locator("tfoot td").first().innerText();
      const sun = sum(exported, "from_sun_wh");
      assert.ok(says(wattHours(total), sun), `${total} from the sun is the sum of the file, ${sun} Wh`);
    }
  }
  const day = page.locator("tbody th a").first();
  const name = (await day.innerText()).split(" ").at(-1) ?? "";
  await day.click();
  await until("the day by itself", 10_000, async () => page.url().includes("span=day") && page.url().endsWith(`-${name.padStart(2, "0")}`));
  await page.goBack();
  await until("the month again", 10_000, async () => page.url().includes("span=month"));
  await page.screenshot({ path: join(OUTPUT, "history-month.png"), fullPage: true });
  await page.locator("label", { hasText: /^\s*Year/ }).click();
  await until("a year", 30_000, async () => page.url().includes("span=year"));
  await page.locator(PAGES.history).waitFor();
  await page.context().close();
});

/** @type {[string, import("playwright-core").BrowserContextOptions][]} */
const looks = [
  ["desktop", {}],
  ["desktop-dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 360, height: 760 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }],
  ["phone-dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true }],
];

for (const [look, options] of looks) {
  test(`${look}: every page is usable by everybody and no wider than the screen`, async () => {
    const page = await opened.visits.openAt("#/", options);
    await page.addInitScript(() => {
      // @ts-expect-error what is read below
      globalThis.moved = 0;
      new PerformanceObserver((list) => {
        // @ts-expect-error entries of this kind have both
        for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) globalThis.moved += value;
      }).observe({ type: "layout-shift", buffered: true });
    });
    for (const [name, ready] of Object.entries(PAGES)) {
      await page.goto(`${opened.visits.demo.base_url}/#/${name}`);
      await page.reload();
      await page.locator(ready).first().waitFor();
      await page.waitForTimeout(1_000);
      assert.deepEqual(await axe(page), [], name);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`);
      // @ts-expect-error what the page counted
      const moved = await page.evaluate(() => globalThis.moved);
      assert.ok(moved < 0.02, `${name} moved by ${moved} while its values came`);
      await page.screenshot({ path: join(OUTPUT, `${name}-${look}.png`), fullPage: true });
    }
    await page.context().close();
  });
}

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

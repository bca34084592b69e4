// What the sun brings, and who looks at it with apps of ShineMonitor, in a real browser against the real binary.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

/** How long a debug build may take to make up the past of the demo. */
const PAST_MS = 300_000;
/** Of an app that anybody may have. */
const COMPANY_KEY = "bnrl_frRFjEz8Mkn";

const opened = openForTests();

/** What the server says of the sun, once the past of the demo is made up. */
async function sun() {
  const { visits } = opened;
  const { site_id } = visits.demo.native;
  // Sessions and money come before the readings: it is all there when the demo is ready.
  await until("the past of the demo", PAST_MS, async () => (await fetch(`${visits.demo.base_url}/readyz`)).status === 200);
  const view = await visits.ask(`/sites/${site_id}/solar`);
  assert.ok(view.total.booked_wh > 100_000, "the past has its money");
  return view;
}

const IN_WH = new Map([["Wh", 1], ["kWh", 1e3], ["MWh", 1e6]]);

/** An energy as the page writes it, in Wh; nothing that is shown is none. @param {string} text */
function wattHours(text) {
  const [, value = "", unit = ""] = /^([\d.]+)\s(Wh|kWh|MWh)$/u.exec(text.trim()) ?? [];
  return Number(value) * (IN_WH.get(unit) ?? Number.NaN);
}

/** Whether what is shown is that energy, give or take what came meanwhile. @param {string} shown @param {number} exact */
const says = (shown, exact) => Math.abs(wattHours(shown) - exact) <= Math.max(1_000, exact * 0.01);

test("today, month, year and all stand beside a clear sky, and are what was counted", async () => {
  const view = await sun();
  const page = await opened.visits.openAt("#/solar");
  for (const period of ["today", "month", "year", "total"]) {
    const card = page.locator(`[data-period=${period}]`);
    await until(period, 30_000, async () => says(await card.locator("strong").innerText(), view[period].produced_wh));
    assert.match(await card.innerText(), /kWh\/kWp/);
  }
  assert.match(await page.locator("[data-period=total]").innerText(), /€\d/);
  assert.ok(view.expected.day_wh > 5_000, "a clear day brings something");
  await page.getByText(/A (whole )?clear day brings/).waitFor();
  await page.locator(".u-wrap").waitFor();
  await page.locator(".u-over").hover();
  await page.getByText(/clear sky \d/).waitFor();
  const inverter = page.locator("[data-inverter=pv]");
  assert.match(await inverter.innerText(), /9\.80\skW peak/);
  await page.getByText("Nothing is wrong with the inverters.").waitFor();
  await page.context().close();
});

test("a year of days is walked through by keys, read as a table, and leads to its days", async () => {
  await sun();
  // The year that holds the middle of the past: there is some of it behind today, also in January.
  const year = new Date(Date.now() - 15 * 86_400_000).getFullYear();
  const page = await opened.visits.openAt(`#/solar?year=${year}`);
  const grid = page.getByRole("grid");
  await grid.locator("[class*=level-5]").first().waitFor();
  assert.equal(await grid.locator("tbody td > *").count(), new Date(year, 1, 29).getMonth() === 1 ? 366 : 365, "every day");

  // One stop for Tab, and keys from there.
  assert.equal(await grid.locator("[tabindex='0']").count(), 1);
  const today = grid.locator("[tabindex='0']");
  const last = (await today.getAttribute("data-date")) ?? "";
  await today.focus();
  await page.keyboard.press("ArrowRight");
  const focused = () => page.evaluate(() => (document.activeElement instanceof HTMLElement ? document.activeElement.dataset["date"] : null));
  assert.equal(await focused(), last, "nothing comes after today");
  await page.keyboard.press("ArrowLeft");
  const before = (await focused()) ?? "";
  assert.ok(before < last, `${before} is before ${last}`);
  assert.match((await page.locator(`[data-date="${before}"]`).getAttribute("aria-label")) ?? "", /kWh/);
  assert.deepEqual(await axe(page), []);

  const summary = page.getByText("As a table");
  await summary.click();
  const all = await page.locator("tfoot td").first().innerText();
  const { site_id } = opened.visits.demo.native;
  const path = `/sites/${site_id}/energy?series=device:pv.energy_out&from=${year}-01-01&to=${year + 1}-01-01&per=year`;
  const { items } = await opened.visits.ask(path);
  assert.ok(says(all, items[0].rows[0].energy_wh), `${all} is the year`);

  await page.locator(`[data-date="${before}"]`).focus();
  await page.keyboard.press("Enter");
  await until("the day in the history", 30_000, async () => page.url().includes("#/history") && page.url().includes(before));
  await page.goBack();

  await page.getByRole("button", { name: "Earlier" }).click();
  await page.getByText(String(year - 1), { exact: true }).first().waitFor();
  await until("a year of which little is known", 30_000, async () => {
    const label = await grid.locator(`[data-date="${year - 1}-06-01"]`).getAttribute("aria-label");
    return label !== null && label.includes("nothing recorded");
  });
  await page.context().close();
});

test("a site without sun has no such page", async () => {
  const page = await opened.visits.openAt("#/?site=yard");
  const navigation = page.getByRole("navigation", { name: "Pages" });
  await navigation.getByRole("link", { name: "History" }).waitFor();
  assert.equal(await navigation.getByRole("link", { name: "Solar" }).count(), 0);
  await page.goto(`${opened.visits.demo.base_url}/#/solar?site=yard`);
  await page.getByText("This site has no inverter that is in use.").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.context().close();
});

test("the plant sheet is filled in, and what it says counts at once", async () => {
  const { visits } = opened;
  const page = await visits.openAt("#/solar");
  await page.getByRole("button", { name: "Plant sheet" }).click();
  const dialog = page.getByRole("dialog");
  const save = () => dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByLabel("Latitude").fill("95");
  await dialog.getByLabel("Longitude").fill("16.37");
  await dialog.getByLabel("CO₂").fill("");
  await save();
  await dialog.getByText("outside of what is possible").waitFor();
  await dialog.getByText("Please fill this in.").waitFor();
  assert.deepEqual(await axe(page), [], "the form, with problems");
  await page.screenshot({ path: join(OUTPUT, "plant-sheet.png") });
  await dialog.getByLabel("Latitude").fill("48.21");
  await dialog.getByLabel("CO₂").fill("210");
  await dialog.getByLabel("City").fill("Wien");
  await dialog.getByLabel("Installed").fill("2024-05-06");
  await dialog.getByLabel("Sold").fill("0,082");
  await save();
  await page.getByText("210 g for each kWh").waitFor();
  const { sheet } = await visits.ask(`/sites/${visits.demo.native.site_id}/plant`);
  assert.deepEqual(
    [sheet.position, sheet.address.city, sheet.prices.sold_micros, sheet.co2_g_per_kwh],
    [{ latitude_udeg: 48_210_000, longitude_udeg: 16_370_000 }, "Wien", 82_000, 210],
  );
  await page.context().close();
});

/** Signs in as an app does, and says the code of the answer. @param {string} name @param {string} password @returns {Promise<number>} */
async function signIn(name, password) {
  const hash = (/** @type {string} */ text) => createHash("sha1").update(text).digest("hex");
  const [salt, action] = ["12345678", `&action=auth&usr=${encodeURIComponent(name)}&company-key=${COMPANY_KEY}`];
  const sign = hash(salt + hash(password) + action);
  const answer = await fetch(`${opened.visits.demo.base_url}/public/?sign=${sign}&salt=${salt}${action}`);
  return /** @type {{err: number}} */ (await answer.json()).err;
}

test("an account for apps is made, changed, switched off and removed, and apps notice", async () => {
  const page = await opened.visits.openAt("#/users?part=shinemonitor");
  await page.locator("[data-account=vplant]").waitFor();
  await page.getByRole("button", { name: "Add account" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Make account" }).click();
  await dialog.getByText("Please fill this in.").first().waitFor();
  await dialog.getByLabel("Name").fill("vplant");
  await dialog.getByLabel("Password").fill("first of all");
  await dialog.getByRole("button", { name: "Make account" }).click();
  await dialog.getByText("There is an account of this name.").waitFor();
  assert.deepEqual(await axe(page), [], "the form, with a problem");
  await dialog.getByLabel("Name").fill("roof app");
  await dialog.getByLabel("Role at Yard").selectOption("viewer");
  await dialog.getByRole("button", { name: "Make account" }).click();
  const row = page.locator("[data-account='roof app']");
  await row.getByText("Viewer at Home, Viewer at Yard").waitFor();
  assert.equal(await signIn("roof app", "first of all"), 0);

  await row.getByRole("button", { name: "Edit" }).click();
  assert.equal(await dialog.getByLabel("New password").inputValue(), "", "the password is not shown again");
  await dialog.getByLabel("New password").fill("second");
  await dialog.getByLabel("Role at Home").selectOption("operator");
  await dialog.getByRole("button", { name: "Save" }).click();
  await row.getByText("Operator at Home, Viewer at Yard").waitFor();
  assert.equal(await signIn("roof app", "second"), 0);
  assert.notEqual(await signIn("roof app", "first of all"), 0);

  await row.getByRole("button", { name: "Edit" }).click();
  await dialog.getByLabel("May sign in").uncheck();
  await dialog.getByRole("button", { name: "Save" }).click();
  await row.getByText("Switched off").waitFor();
  assert.notEqual(await signIn("roof app", "second"), 0);
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "shinemonitor.png"), fullPage: true });

  await row.getByRole("button", { name: "Remove" }).click();
  await dialog.getByRole("button", { name: "Remove account" }).click();
  await until("no row of it", 30_000, async () => (await row.count()) === 0);
  await page.context().close();
});

test("a one-time code is shown once", async () => {
  const page = await opened.visits.openAt("#/users?part=shinemonitor");
  const make = page.getByRole("button", { name: "Make a code" });
  await make.click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Number of the data logger").fill("short");
  await dialog.getByRole("button", { name: "Make a code" }).click();
  await dialog.getByText("8 to 30 letters and digits, please.").waitFor();
  await dialog.getByLabel("Number of the data logger").fill("W0011223344556");
  await dialog.getByRole("button", { name: "Make a code" }).click();
  const code = await dialog.getByRole("textbox", { name: "Code for W0011223344556" }).inputValue();
  assert.ok(code.length >= 8, code);
  assert.deepEqual(await axe(page), [], "the code");
  await dialog.getByRole("button", { name: "I have it" }).click();
  assert.ok(!(await page.content()).includes(code), "it is gone");
  await page.context().close();
});

test("accounts and the plant sheet fit on a phone, in the dark", async () => {
  const viewport = { width: 360, height: 760 };
  const page = await opened.visits.openAt("#/users?part=shinemonitor", { viewport, colorScheme: "dark", hasTouch: true, isMobile: true });
  const fits = async (/** @type {string} */ what) => {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${what} is ${overflow} px too wide`);
    assert.deepEqual(await axe(page), [], what);
    await page.screenshot({ path: join(OUTPUT, `${what}-phone-dark.png`), fullPage: true });
  };
  await page.locator("[data-account=vplant]").waitFor();
  await fits("accounts");
  await page.goto(`${opened.visits.demo.base_url}/#/solar`);
  await page.getByRole("button", { name: "Plant sheet" }).click();
  await page.getByRole("dialog").getByLabel("Latitude").waitFor();
  await fits("plant-sheet");
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

// Vehicles, alarms, tariffs and storage in a real browser against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

const opened = openForTests();

test("a vehicle is edited, and its state of charge set by hand", async () => {
  const page = await opened.visits.openAt("#/vehicles");
  await page.getByRole("button", { name: "Add a vehicle" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Test van");
  await page.getByLabel("Battery").fill("60");
  await page.getByRole("button", { name: "Save" }).click();
  const car = page.locator("[data-vehicle=test-van]");
  await car.getByRole("button", { name: "Edit Test van" }).click();
  await page.getByLabel("Charge up to").fill("180");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("outside of what is possible").waitFor();
  await page.getByLabel("Charge up to").fill("80");
  await page.getByRole("button", { name: "Save" }).click();
  await until("the limit", 30_000, async () => /charges to 80.%/.test(await car.innerText()));
  await car.getByRole("button", { name: "Set state of charge" }).click();
  const slider = page.getByRole("slider", { name: "State of charge of Test van" });
  await slider.focus();
  await page.keyboard.press("Home");
  for (const _ of Array(3)) await page.keyboard.press("ArrowRight");
  await page.getByRole("button", { name: "Save" }).click();
  await until("the state of charge", 30_000, async () => /3.%[^]*as of/.test(await car.innerText()));
  await car.getByRole("button", { name: "Edit Test van" }).click();
  await page.getByRole("button", { name: "Remove this vehicle" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await car.waitFor({ state: "detached" });
  await page.context().close();
});

test("an alarm is acknowledged with name and time", async () => {
  // Nothing goes wrong in the demo by itself: the list is made up, what the page asks for is looked at.
  const raised_ms = Date.now() - 60_000;
  const alarm = { site: "home", device: "grid", code: "meter_silent", severity: "error", text: "The meter is silent.", raised_ms, cleared_ms: null };
  /** @type {any} */
  let asked = null;
  const page = await opened.visits.openAt("#/");
  await page.route("**/alarms?state=*", (route) => {
    const acknowledged = asked === null ? {} : { acknowledged: { by: "admin", at_ms: Date.now() } };
    return route.fulfill({ json: { items: [{ ...alarm, ...acknowledged }] } });
  });
  await page.route("**/alarms/acknowledgement", (route) => {
    asked = route.request().postDataJSON();
    return route.fulfill({ status: 204 });
  });
  await page.goto(`${opened.visits.demo.base_url}/#/alarms`);
  await page.getByRole("button", { name: "I have seen it" }).click();
  await page.getByText(/^seen by/).first().waitFor();
  assert.deepEqual(asked, { device: "grid", code: "meter_silent", raised_ms });
  assert.deepEqual(await axe(page), []);
  await page.locator("label", { hasText: /^\s*Warnings/ }).click();
  await until("the filter in the address", 10_000, async () => page.url().includes("severity=warning"));
  await page.getByText("Nothing needs attention.").waitFor();
  await page.context().close();
});

test("a tariff with a night price is added, shown and removed", async () => {
  const page = await opened.visits.openAt("#/settings");
  await page.getByRole("button", { name: "Add a tariff" }).click();
  await page.getByLabel("Name", { exact: true }).first().fill("Night test");
  await page.getByRole("combobox", { name: "Site" }).selectOption("");
  await page.getByLabel("Name", { exact: true }).last().fill("Contract A");
  await page.getByLabel("Prices").selectOption("time_of_use");
  await page.getByLabel("Price at other times").fill("0,30");
  await page.getByRole("button", { name: "Add a time" }).click();
  await page.getByLabel("Price", { exact: true }).fill("0.20");
  assert.deepEqual(await axe(page), [], "the form of a tariff");
  await page.getByRole("button", { name: "Save" }).click();
  const entry = page.locator("[data-tariff=night-test]");
  await until("its prices", 30_000, async () => (await entry.innerText()).includes("€0.200 – €0.300/kWh"));
  await entry.getByRole("button", { name: "Remove Night test" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await entry.waitFor({ state: "detached" });
  await page.context().close();
});

test("what is kept is shown and changed, and a backup comes down", async () => {
  const page = await opened.visits.openAt("#/settings");
  await page.getByRole("button", { name: "How long" }).click();
  await page.getByLabel("Every reading").fill("0");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Please give a number.").waitFor();
  await page.getByLabel("Every reading").fill("45");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("45 days").waitFor();
  const coming = page.waitForEvent("download", { timeout: 300_000 });
  await page.getByRole("button", { name: "Download a backup" }).click();
  const download = await coming;
  assert.ok(readFileSync(await download.path()).length > 1_000, "a backup has something in it");
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

// Reporting our own sites to a platform, set up in the page and told to the demo's own platform.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

/** How long a debug build may take to be told of everything. */
const TOLD_MS = 120_000;
const OPERATOR = "MA008SELF";
const KEY = "a-key-of-the-demo-0008";

const opened = openForTests();

/** What the platform knows of a kind. @param {string} kind */
async function registered(kind) {
  return opened.visits.ask(`/oversight/operators/${OPERATOR}/entities?kind=${kind}`);
}

test("a platform is tried without sending anything, then told everything", async () => {
  const { visits } = opened;
  await visits.ask("/oversight/operators", { method: "POST", body: JSON.stringify({ id: OPERATOR, name: "Ourselves", secret: KEY, local: true }) });
  const page = await visits.openAt("#/settings");
  await page.getByText("Nothing is reported to anybody.").waitFor();
  await page.getByRole("button", { name: "Add a platform" }).click();
  const dialog = page.getByRole("dialog");
  const fill = (/** @type {string} */ label, /** @type {string} */ text) => dialog.getByLabel(label, { exact: true }).fill(text);

  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.getByText("An address that begins with https://, please.").or(dialog.getByText("Please fill this in.")).first().waitFor();
  assert.equal(await dialog.getByLabel("Name", { exact: true }).getAttribute("aria-invalid"), "true");
  assert.equal(await dialog.getByLabel("Secret key").getAttribute("aria-invalid"), null, "nothing is signed");

  await fill("Name", "Ourselves");
  await fill("Address of the platform", visits.demo.base_url);
  await fill("Who we are there", OPERATOR);
  await dialog.getByLabel("It is in a network of ours: plain http and private addresses are fine").check();
  const site = dialog.locator(`[data-site=${visits.demo.native.site_id}]`);
  await site.getByLabel("This site is reported").check();
  await site.getByLabel("Owner of the equipment").fill(OPERATOR);
  await site.getByLabel("Postal address").fill("1 Sunny Lane");
  await site.getByLabel("Standard of the ports").fill("GB/T 20234.2");
  await site.getByLabel("Price of energy, in words").fill("0.6 yuan/kWh");
  await site.getByLabel("Price of the service, in words").fill("none");
  // A code of the platform's for one port, which is the code of the other, too.
  await site.getByLabel("Codes of charging points").fill("left = right");
  await site.getByLabel("Code of the station").fill("sunny-1");
  await site.getByLabel("Where it is").selectOption("wgs84");
  await site.getByLabel("Latitude").fill("30.28");
  await site.getByLabel("Longitude").fill("1201.5");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await site.getByText("That is outside of what is possible.").waitFor();
  assert.deepEqual(await axe(page), [], "the form, with a problem");
  await site.getByLabel("Longitude").fill("120.15");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.getByText("Platform `ourselves` is told `right` twice; give one of them another code").waitFor();
  await site.getByLabel("Codes of charging points").fill("left = sunny-1-1");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  const stations = dialog.locator("[data-preview=station]");
  await stations.getByText("Stations 1").click();
  await stations.getByText('"stationId": "sunny-1"').waitFor();
  await dialog.getByText("A platform that follows the documentation finds nothing wrong.").waitFor();
  assert.deepEqual(await axe(page), [], "what would be sent");
  await page.screenshot({ path: join(OUTPUT, "reporting-dry-run.png") });
  assert.equal((await visits.ask("/reporting")).items.length, 0, "nothing is kept");
  assert.equal((await registered("station")).total, 0, "nothing is sent");

  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("Please fill this in.").waitFor();
  await fill("Secret key", KEY);
  await dialog.getByRole("button", { name: "Save" }).click();
  const row = page.locator("[data-platform=ourselves]");
  await row.waitFor();
  const { evses } = await visits.ask(`/sites/${visits.demo.native.site_id}`);
  const ports = await until("the ports at the platform", TOLD_MS, async () => {
    const { items } = await registered("port");
    return items.length === evses.length ? items : null;
  });
  assert.ok(ports.some((/** @type {{id: string}} */ one) => one.id === "sunny-1-1"), "under the code that it was given");
  await row.locator(".chip", { hasText: "Reached" }).waitFor();
  assert.deepEqual(await axe(page), []);
  await row.scrollIntoViewIfNeeded();
  await page.screenshot({ path: join(OUTPUT, "reporting.png"), fullPage: true });

  await page.goto(`${visits.demo.base_url}/#/oversight/${OPERATOR}?part=registered`);
  await page.locator("[data-entity=sunny-1]").getByText("As it is described").click();
  await page.locator("[data-entity=sunny-1]").getByText("Street").or(page.locator("[data-entity=sunny-1] dl").getByText("1 Sunny Lane")).first().waitFor();
  await page.locator("label", { hasText: /^\s*Ports\s*$/ }).last().click();
  await page.locator(`[data-entity="${ports[0].id}"]`).waitFor();
  assert.deepEqual(await axe(page), [], "what is registered");
  await page.context().close();
});

test("what is not typed again stays, and a key does not go elsewhere", async () => {
  const { visits } = opened;
  const page = await visits.openAt("#/settings");
  const row = page.locator("[data-platform=ourselves]");
  await row.getByRole("button", { name: "Edit Ourselves" }).click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.getByLabel("Secret key").inputValue(), "", "the key is not shown again");
  await dialog.getByLabel("Who we are there").fill("MA009ELSE");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("The key of another address or operator is not sent there.").waitFor();
  await dialog.getByLabel("Who we are there").fill(OPERATOR);
  await dialog.getByLabel("Longest time without a sample").fill("420");
  await dialog.getByRole("button", { name: "Save" }).click();
  await until("another interval", 30_000, async () => (await visits.ask("/reporting/ourselves")).settings.interval_s === 420);
  assert.equal((await visits.ask("/reporting/ourselves")).has_key, true);

  await row.getByRole("button", { name: "Dry run: Ourselves" }).click();
  await page.getByRole("dialog").locator("[data-preview=sample]").waitFor();
  await page.keyboard.press("Escape");
  await page.context().close();
});

test("records that were refused stand there with what the platform said, and are sent again", async () => {
  const { visits } = opened;
  const page = await visits.openAt("#/users");
  // Our own platform refuses no record of ours, so another one speaks through the answer.
  await page.route("**/api/v1/reporting", async (asked) => {
    const answer = await asked.fetch();
    const { items } = await answer.json();
    const stuck = [{ charge: "charge-7", port: "left", ended_ms: Date.now() - 3_600_000, problem: "the port is unknown" }];
    await asked.fulfill({ response: answer, json: { items: items.map((/** @type {any} */ one) => ({ ...one, state: { ...one.state, stuck, stuck_records: 1 } })) } });
  });
  await page.goto(`${visits.demo.base_url}/#/settings`);
  const row = page.locator("[data-platform=ourselves]");
  await row.locator("[data-stuck=charge-7]").getByText("The port is unknown").waitFor();
  assert.deepEqual(await axe(page), []);
  const [asked] = await Promise.all([page.waitForResponse((answer) => answer.url().endsWith("/reporting/ourselves/retry")), row.getByRole("button", { name: "Send again" }).click()]);
  assert.equal(asked.status(), 200);
  await page.getByText("Waiting once more: 0.").waitFor();
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.context().close();
});

test("the form fits a phone, in the dark", async () => {
  const page = await opened.visits.openAt("#/settings", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  await page.getByRole("button", { name: "Edit Ourselves" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Dry run" }).click();
  await dialog.locator("[data-preview=port] summary").click();
  const overflow = await page.evaluate(() => Math.max(document.documentElement.scrollWidth - innerWidth, (document.querySelector("dialog")?.scrollWidth ?? 0) - innerWidth));
  assert.ok(overflow <= 0, `${overflow} px too wide`);
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "reporting-phone.png") });
  await page.context().close();
});

test("a platform is removed", async () => {
  const { visits } = opened;
  const page = await visits.openAt("#/settings");
  await page.getByRole("button", { name: "Remove Ourselves" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("Nothing is reported to anybody.").waitFor();
  assert.equal((await visits.ask("/reporting")).items.length, 0);
  await visits.ask(`/oversight/operators/${OPERATOR}`, { method: "DELETE" });
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

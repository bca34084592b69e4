// The page of one charging station: its keys, and how other programs reach it, against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

const opened = openForTests();
const PHONE = { viewport: { width: 390, height: 844 } };

/** @param {import("playwright-core").Page} page @param {string} key */
const row = (page, key) => page.locator(`[data-key="${key}"]`);

/** What a row says once it is painted: out of sight the browser leaves a row of the long list empty. */
const said = (/** @type {import("playwright-core").Locator} */ one) =>
  until("a painted row", 10_000, async () => (await one.innerText()).trim() || null);

/** What a go-e client is answered. @param {string} token */
async function asClient(token) {
  const answer = await fetch(`${opened.visits.demo.base_url}/api/status?filter=amp&token=${encodeURIComponent(token)}`);
  return answer.status;
}

test("keys are found by name and meaning, and change while one looks", async () => {
  const page = await opened.visits.openAt("#/");
  await page.locator("[data-evse=left]").getByRole("link", { name: "Left" }).click();
  await row(page, "amp").waitFor();
  assert.match(page.url(), /#\/chargers\/left/);
  const rows = page.locator("[data-key]");
  assert.ok((await rows.count()) >= 264, "a whole charger");
  // Its clock goes on by itself.
  await page.getByRole("searchbox", { name: "Look for a key" }).fill("rbt");
  const before = await said(row(page, "rbt"));
  await until("the clock of the charger", 60_000, async () => (await said(row(page, "rbt"))) !== before);
  await page.getByRole("searchbox", { name: "Look for a key" }).fill("forced state neutral");
  await page.getByText("No key fits.").waitFor();
  await page.getByRole("searchbox").fill("neutral");
  assert.deepEqual(await rows.evaluateAll((all) => all.map((one) => one.getAttribute("data-key"))), ["frc"]);
  await page.getByRole("searchbox").fill("cak");
  assert.match(await said(row(page, "cak")), /••••/);
  await page.locator("label", { hasText: "All known" }).click();
  await page.getByRole("searchbox").fill("");
  assert.equal(await rows.count(), 547);
  assert.deepEqual(await axe(page), []);
  await page.context().close();
});

test("a key is set with the keyboard, by what it is, and a wrong value says what is right", async () => {
  const page = await opened.visits.openAt("#/chargers/left", PHONE);
  await page.getByRole("searchbox").fill("amp");
  const open = row(page, "amp").getByRole("button", { name: "Set amp" });
  await open.focus();
  await page.keyboard.press("Enter");
  const field = page.getByLabel("Value");
  await field.fill("40");
  await page.keyboard.press("Enter");
  await page.getByText("That is outside of what is possible.").waitFor();
  await field.fill("7.5");
  await page.keyboard.press("Enter");
  await page.getByText("A whole number, please.").waitFor();
  assert.deepEqual(await axe(page), [], "the editor");
  await field.fill("9");
  await page.keyboard.press("Enter");
  await until("the value", 30_000, async () => /\b9\s*A/.test(await row(page, "amp").innerText()));
  await page.getByText("amp is set.").waitFor();
  await page.getByRole("searchbox").fill("frc");
  await row(page, "frc").getByRole("button", { name: "Set frc" }).click();
  await page.getByLabel("Value").selectOption("1");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await until("the value", 30_000, async () => /Off/.test(await row(page, "frc").innerText()));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, "nothing is wider than a phone");
  await page.context().close();
});

test("the server's refusal is said in its words", async () => {
  const page = await opened.visits.openAt("#/chargers/left");
  await page.route("**/goe/keys/amp", (route) =>
    route.fulfill({ status: 422, json: { error: { code: "refused", message: "amp: failed: Value 9 exceeds range 6 to 8 (9)" } } }),
  );
  await page.getByRole("searchbox").fill("amp");
  await row(page, "amp").getByRole("button", { name: "Set amp" }).click();
  await page.getByLabel("Value").fill("9");
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await page.getByText("exceeds range 6 to 8").waitFor();
  await page.context().close();
});

test("an administrator switches the door, grants a key, and makes a new token", async () => {
  const page = await opened.visits.openAt("#/chargers/right");
  const { token } = await opened.visits.ask("/sites/home/evses/right/goe");
  const door = page.getByRole("region", { name: "For go-e apps" });
  await door.getByText("000002", { exact: true }).waitFor();
  assert.equal(await asClient(token), 200);
  const tick = door.getByRole("checkbox", { name: "Answer as the vendor’s cloud does" });
  await tick.uncheck();
  await until("the cloud form to end", 30_000, async () => (await asClient(token)) === 403);
  await tick.check();
  await until("the cloud form to begin", 30_000, async () => (await asClient(token)) === 200);

  await page.locator("label", { hasText: "All known" }).click();
  await page.getByRole("searchbox").fill("rst");
  await row(page, "rst").getByText("guarded").waitFor();
  assert.equal(await row(page, "rst").getByRole("button").count(), 0);
  await door.getByText("Guarded keys").click();
  await door.getByRole("checkbox", { name: "rst" }).check();
  await row(page, "rst").getByRole("button", { name: "Set rst" }).waitFor();
  assert.deepEqual(await axe(page), []);

  assert.equal(await door.getByText(token).count(), 0, "nobody sees the token unasked");
  await door.getByRole("button", { name: "Show" }).click();
  await until("the token", 30_000, async () => (await door.getByLabel("Token", { exact: true }).inputValue()) === token);
  await door.getByRole("button", { name: "New token" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "New token" }).click();
  await until("another token", 30_000, async () => (await door.getByLabel("Token", { exact: true }).inputValue()) !== token);
  assert.equal(await asClient(token), 401);
  assert.equal(await asClient(await door.getByLabel("Token", { exact: true }).inputValue()), 200);
  assert.ok(!page.url().includes(token));
  await page.context().close();
});

test("limits are set, said in the view, and taken away", async () => {
  const page = await opened.visits.openAt("#/chargers/left");
  const limits = page.getByRole("region", { name: "Limits" });
  const wish = async () => (await opened.visits.ask("/sites/home")).evses.find((/** @type {{id: string}} */ one) => one.id === "left");
  await limits.getByLabel("Energy for a car").fill("much");
  await limits.getByLabel("Current for ten minutes").fill("40");
  await limits.getByRole("button", { name: "Set limits" }).click();
  await limits.getByText("Please give a number.").waitFor();
  await limits.getByText("That is outside of what is possible.").waitFor();
  await limits.getByLabel("Energy for a car").fill("12,5");
  await limits.getByLabel("Price for grid energy").fill("0.28");
  await limits.getByLabel("Current for ten minutes").fill("8");
  await page.keyboard.press("Enter");
  await page.getByText("The limits of Left are set.").waitFor();
  await until("the limits", 10_000, async () => {
    const { wish: now, temporary } = await wish();
    return now.energy_limit_wh === 12_500 && now.price_limit_micros_per_kwh === 280_000 && temporary?.current_ma === 8_000;
  });
  await limits.getByText("At most so much until").waitFor();
  assert.deepEqual(await axe(page), []);

  // What another app changes is shown, where nobody is typing.
  await opened.visits.ask("/sites/home/intents", {
    method: "POST",
    body: JSON.stringify({ kind: "energy_limit", evse: "left", limit_wh: 9_000 }),
  });
  await until("the other app's limit", 10_000, async () => (await limits.getByLabel("Energy for a car").inputValue()) === "9");
  for (const name of ["Energy for a car", "Price for grid energy", "Current for ten minutes"]) await limits.getByLabel(name).fill("");
  await limits.getByRole("button", { name: "Set limits" }).click();
  await until("no limits", 10_000, async () => {
    const { wish: now, temporary } = await wish();
    return now.energy_limit_wh === null && now.price_limit_micros_per_kwh === null && temporary === null;
  });
  await page.context().close();
});

test("a charging station that wants to be asked has two answers, for whoever may give them", async () => {
  // The view of the real house, in which somebody else has set the left station to 6 A.
  const view = await opened.visits.ask("/sites/home");
  const left = view.evses.find((/** @type {{id: string}} */ one) => one.id === "left");
  const raised_ms = view.at_ms - 60_000;
  left.foreign = { policy: "ask", since_ms: raised_ms, what: { kind: "current", value: 6_000 } };
  view.alarms.push({ site: "home", code: "foreign_writer", device: left.station, severity: "warning", text: "somebody else set left to 6 A", raised_ms, cleared_ms: null });
  /** @type {unknown[]} */
  const asked = [];
  const page = await opened.visits.openAt("");
  await page.route("**/api/v1/events*", (route) =>
    route.fulfill({ contentType: "text/event-stream", body: `event: view\nid: 1\ndata: ${JSON.stringify(view)}\n\n` }),
  );
  await page.route("**/alarms/acknowledgement", (route) => {
    asked.push(route.request().postDataJSON());
    return route.fulfill({ status: 204 });
  });
  await page.route("**/sites/home/intents", (route) => {
    asked.push(route.request().postDataJSON());
    return route.continue();
  });
  await page.goto(`${opened.visits.demo.base_url}/#site=home`);
  await page.reload();
  const answers = page.locator("[data-evse=left]").getByRole("group", { name: "Decide about Left" });
  await answers.getByRole("button", { name: "Leave it so" }).click();
  await page.getByText("What was set at Left stands until the car leaves.").waitFor();
  await answers.getByRole("button", { name: "Take it back" }).click();
  await until("both answers", 10_000, async () => asked.length === 2);
  assert.deepEqual(asked, [
    { device: left.station, code: "foreign_writer", raised_ms },
    { kind: "mode", evse: "left", mode: left.wish.mode },
  ]);
  assert.equal(await page.locator("[data-evse=right]").getByRole("group", { name: "Decide about" }).count(), 0);
  assert.deepEqual(await axe(page), []);
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

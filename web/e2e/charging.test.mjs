// Showing who charges, messages to the outside, and leaving everywhere, in a real browser against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

const opened = openForTests();

/** An EVSE as the API shows it. @param {string} evse */
function evseNow(evse) {
  const { visits } = opened;
  return visits.ask(`/sites/${visits.demo.native.site_id}/evses/${evse}`);
}

test("a card says who charges, a wrong one is refused in words, and charging is stopped", async () => {
  const { visits } = opened;
  const page = await visits.openAt("#/");
  await page.locator("[data-evse]").first().waitFor();
  // In the house of the demo the left car is there by night and the right one by day.
  const { items } = await visits.ask(`/sites/${visits.demo.native.site_id}/evses`);
  const evse = items.find((/** @type {any} */ one) => one.is_plugged) ?? items[0];
  const tile = page.locator(`[data-evse=${evse.id}]`);
  const dialog = page.getByRole("dialog");
  const open = () => tile.getByRole("button", { name: /^Card or PIN/ }).click();

  await open();
  await dialog.getByText(evse.is_plugged ? "charges for whoever is shown" : "counts for the next minute").waitFor();
  await dialog.getByLabel("Number of the card").fill("04 A1");
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await dialog.getByText("6 to 40 hexadecimal digits").waitFor();
  assert.deepEqual(await axe(page), [], "the question, with a problem");
  await dialog.getByLabel("Number of the card").fill("04 FF FF FF");
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await dialog.getByText("Nobody who may charge here has this number.").waitFor();
  await page.screenshot({ path: join(OUTPUT, "authorise.png") });
  await dialog.locator("label", { hasText: "PIN" }).click();
  await dialog.getByLabel("PIN", { exact: true }).last().fill("12");
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await dialog.getByText("4 to 12 digits").waitFor();
  await dialog.locator("label", { hasText: "Card" }).click();
  await dialog.getByLabel("Number of the card").fill("04:a1:b2:c3");
  await dialog.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByText(`Accepted at ${evse.name}.`).waitFor();
  await dialog.waitFor({ state: "detached" });

  if (evse.is_plugged) {
    await until("Resident 1 in the session", 30_000, async () => (await evseNow(evse.id)).session?.user === "Resident 1");
    await tile.getByText(/^Resident 1: /).waitFor();
    await open();
    await dialog.getByRole("button", { name: "Stop charging" }).click();
    await until("the end of the transaction", 30_000, async () => (await evseNow(evse.id)).session?.state === "stopped");
    await open();
    await dialog.locator("label", { hasText: "Me" }).click();
    await dialog.getByRole("button", { name: "Show", exact: true }).click();
    await until("a transaction of one's own", 30_000, async () => (await evseNow(evse.id)).session?.kind === "app");
  }
  await page.context().close();
});

test("a test message is sent, waits, and is discarded; the key that signs is shown", async () => {
  const { visits } = opened;
  const { cards, has_password, ...user } = await visits.ask("/users/resident-2");
  assert.ok(cards.length > 0 && !has_password);
  const notify = { email: "resident-2@example.org", alarms_from: "error" };
  await visits.ask("/users/resident-2", { method: "PUT", body: JSON.stringify({ ...user, notify }) });
  const page = await visits.openAt("#/users/resident-2");
  await page.getByRole("button", { name: "Send Resident 2 a test message" }).click();
  await page.getByText("A test is on its way.").waitFor();

  await page.goto(`${visits.demo.base_url}/#/alarms`);
  await page.locator("label", { hasText: "Waiting" }).click();
  const row = page.locator("li", { hasText: "resident-2@example.org" });
  await until("the message in the list", 30_000, async () => {
    if ((await row.count()) > 0) return true;
    await page.locator("label", { hasText: "Delivered" }).click();
    await page.locator("label", { hasText: "Waiting" }).click();
    return false;
  });
  await row.getByRole("button", { name: "Send again" }).click();
  await page.getByText("It is sent again.").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "outbox.png"), fullPage: true });
  await row.getByRole("button", { name: "Discard the message to resident-2@example.org" }).click();
  await row.waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Signing key" }).click();
  const field = page.getByRole("dialog").getByRole("textbox", { name: "Signing key" });
  const { key } = await visits.ask("/outbox/signing-key");
  assert.equal(await field.inputValue(), key);
  assert.deepEqual(await axe(page), [], "the key");
  await page.getByRole("button", { name: "I have it" }).click();
  await field.waitFor({ state: "detached" });
  await page.context().close();
});

test("somebody who is signed in twice leaves both places at once", async () => {
  const { visits } = opened;
  const password = "three plain words";
  const body = { id: "leaver", name: "Leaver", role: "viewer", sites: {}, enabled: true, display: false, rules: [], notify: {} };
  await visits.ask("/users", { method: "POST", body: JSON.stringify(body) });
  await visits.ask("/users/leaver/password", { method: "PUT", body: JSON.stringify({ password }) });
  const [here, there] = await Promise.all([visits.open(), visits.open()]);
  for (const page of [there, here]) {
    await page.goto(`${visits.demo.base_url}/#/settings`);
    await page.getByLabel("User").fill("leaver");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Signed in as leaver").or(page.locator("[data-evse]").first()).first().waitFor();
  }
  await here.goto(`${visits.demo.base_url}/#/settings`);
  await here.getByText("You are signed in at 2 places.").waitFor();
  await here.getByRole("button", { name: "Sign out everywhere" }).click();
  await here.getByText("this one as well").waitFor();
  assert.deepEqual(await axe(here), []);
  await here.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await here.getByText("You are signed out everywhere.").waitFor();
  await there.reload();
  await there.getByRole("button", { name: "Sign in" }).waitFor();
  await Promise.all([here.context().close(), there.context().close()]);
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

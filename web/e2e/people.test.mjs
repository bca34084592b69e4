// Users, cards, tokens and roles in a real browser against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

const opened = openForTests();

test("a user is added with a card, changed, and removed", async () => {
  const page = await opened.visits.openAt("#/users");
  await page.locator("[data-user]").first().waitFor();
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Please fill this in.").waitFor();
  assert.deepEqual(await axe(page), [], "the form, with a problem");
  await page.getByLabel("Name", { exact: true }).fill("Neighbour Two");
  await page.getByLabel("Budget").fill("80");
  await page.getByRole("button", { name: "Save" }).click();

  await page.getByRole("button", { name: "Add a card or PIN" }).click();
  await page.getByLabel("Number of the card").fill("04 A1");
  await page.getByLabel("Name", { exact: true }).fill("Green card");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("6 to 40 hexadecimal digits").waitFor();
  await page.getByLabel("Number of the card").fill("04 A1 B2 C3 D4 E5 F6");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("[data-card]", { hasText: "Green card" }).waitFor();
  assert.equal(await page.getByText("A1B2C3").count(), 0, "the number is not shown again");
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "user.png"), fullPage: true });

  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByLabel("Role", { exact: true }).selectOption("viewer");
  await page.getByRole("button", { name: "Save" }).click();
  await until("the new role", 30_000, async () => (await page.locator("dl").first().innerText()).includes("Viewer"));

  await page.getByRole("button", { name: "Remove this user" }).click();
  await page.getByLabel("Keep the energy, forget whose it was").check();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await until("the list without them", 30_000, async () => (await page.locator("[data-user=neighbour-two]").count()) === 0);
  await page.context().close();
});

test("a token is shown once and revoked", async () => {
  const page = await opened.visits.openAt("#/users?part=tokens");
  await page.getByRole("button", { name: "Add a token" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Test bench");
  await page.getByRole("button", { name: "Make the token" }).click();
  const field = page.getByRole("textbox", { name: "Token" });
  await field.waitFor();
  assert.ok((await field.inputValue()).length >= 16);
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "I have it" }).click();
  const row = page.locator("li", { hasText: "test-bench" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await row.waitFor({ state: "detached" });
  await page.locator("label", { hasText: "Audit log" }).click();
  await page.locator("tbody tr").first().waitFor();
  await page.context().close();
});

test("a viewer is offered what a viewer may do, and nothing else", async () => {
  const password = "three plain words";
  await opened.visits.ask("/users", {
    method: "POST",
    body: JSON.stringify({ id: "onlooker", name: "Onlooker", role: "viewer", sites: {}, enabled: true, display: false, rules: [], notify: {} }),
  });
  await opened.visits.ask("/users/onlooker/password", { method: "PUT", body: JSON.stringify({ password }) });
  const page = await opened.visits.open();
  await page.goto(`${opened.visits.demo.base_url}/#/users`);
  await page.getByLabel("User").fill("onlooker");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("[data-evse]").first().waitFor();
  const links = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allInnerTexts();
  assert.deepEqual(links.map((text) => text.split("\n")[0]), ["Home", "Solar", "History", "Alarms", "Settings"]);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Alarms" }).click();
  await page.locator("#past").waitFor();
  assert.equal(await page.getByRole("button", { name: "I have seen it" }).count(), 0);
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

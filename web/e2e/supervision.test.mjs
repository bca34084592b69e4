// What operators report: the authority's page and that of an operator's people, in a real browser against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** How long a debug build may take to work off what the demo's operator reported. */
const BOOKS_MS = 120_000;
const OPERATOR = "MA005DBW1";
const OTHER = "MA006DBW2";
/** Somebody of the first operator. */
const PERSON = { name: "riverside", password: "riverside-demo" };

const opened = openForTests();

/** The first operator at one glance, once its ports have said what they do. */
async function glance() {
  return until("the reports of the demo's operator", BOOKS_MS, async () => {
    const { operators } = await opened.visits.ask("/oversight/overview");
    const found = operators.find((/** @type {{id: string}} */ one) => one.id === OPERATOR);
    const { never = 0 } = found?.tally.looks ?? {};
    return found && found.tally.ports > 0 && never < found.tally.ports ? found : null;
  });
}

/** A page of one of the operator's people. */
async function asPerson() {
  const page = await opened.visits.open();
  await page.goto(opened.visits.demo.base_url);
  await page.getByLabel("User").fill(PERSON.name);
  await page.getByLabel("Password").fill(PERSON.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  return page;
}

test("the authority sees its operators, what their ports do, and what a day was like", async () => {
  const { tally } = await glance();
  const page = await opened.visits.openAt("#/");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Oversight" }).click();
  const card = page.locator(`[data-operator=${OPERATOR}]`);
  await card.getByText(`${tally.equipment} equipment, ${tally.ports} ports`).waitFor();
  await page.locator(`[data-operator=${OTHER}]`).getByText("No port is registered.").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "oversight.png"), fullPage: true });

  await page.locator("label", { hasText: "Day report" }).click();
  await page.locator(`tr[data-operator=${OPERATOR}]`).waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  assert.match(download.suggestedFilename(), /^report-\d{4}-\d{2}-\d{2}\.csv$/);
  assert.deepEqual(await axe(page), []);
  await page.context().close();
});

test("stations stand on a map that asks nobody, and keys lead from one to the next", async () => {
  await glance();
  const page = await opened.visits.openAt("#/oversight?part=map");
  const map = page.getByRole("group", { name: /Stations on the map/ });
  await until("three stations", 30_000, async () => (await map.locator("[data-dot]").count()) === 3);
  await page.getByText(/GCJ-02/).waitFor();
  assert.equal(await page.locator("[data-station]").count(), 3, "the list says the same");
  assert.equal(await map.locator("[tabindex='0']").count(), 1, "one stop for Tab");
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");
  await map.locator("[tabindex='0']").focus();
  const first = await focused();
  await page.keyboard.press("ArrowDown");
  const second = await focused();
  assert.notEqual(second, first);
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "oversight-map.png"), fullPage: true });
  await page.keyboard.press("Enter");
  await until("the ports of the station", 30_000, async () => page.url().includes(`#/oversight/${OPERATOR}`) && page.url().includes("station="));
  await page.locator("[data-port]").first().waitFor();
  await page.context().close();
});

test("ports are filtered, one is seen in full, and rules are tried on its samples", async () => {
  const { tally } = await glance();
  const page = await opened.visits.openAt(`#/oversight/${OPERATOR}`);
  await page.getByText(`${tally.ports} in all`).waitFor();
  await page.getByLabel("Part of a port’s id").fill("37-");
  await page.getByLabel("Part of a port’s id").press("Enter");
  await page.getByText("4 in all").waitFor();
  await page.locator("[data-port='37-1']").click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("tbody tr").first().waitFor();
  await dialog.getByRole("button", { name: "Replay" }).click();
  await dialog.locator("[role=status] li").first().waitFor();
  // What cannot be is said beside its field, and the operator is not asked.
  await dialog.getByRole("button", { name: "Ask for the sample" }).click();
  await dialog.getByText("A day and a time, please.").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "oversight-port.png") });
  await page.context().close();
});

for (const [part, text] of /** @type {const} */ ([
  ["quality", "Day by day"],
  ["failures", "Which failures"],
  ["warnings", "Which warnings"],
  ["records", "Only of unknown ports"],
  ["calls", "Callback token"],
  ["stations", "GCJ-02"],
])) {
  test(`the part ${part} of an operator, on a phone and in the dark`, async () => {
    await glance();
    const page = await opened.visits.openAt(`#/oversight/${OPERATOR}?part=${part}`, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await page.getByText(text).first().waitFor({ state: "attached" });
    await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
    assert.deepEqual(await axe(page), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${part} is ${overflow} px too wide`);
    await page.screenshot({ path: join(OUTPUT, `oversight-${part}-phone.png`), fullPage: true });
    await page.context().close();
  });
}

test("a warning says why and by which samples, and is seen", async () => {
  await glance();
  // A port of the demo reports a fault.
  const { id } = await until("the warning", BOOKS_MS, async () => {
    const { items } = await opened.visits.ask(`/oversight/warnings?open=true&operator=${OPERATOR}`);
    return items.find((/** @type {{rule: string, acknowledged_ms?: number}} */ one) => one.rule === "fault" && one.acknowledged_ms === undefined) ?? null;
  });
  const page = await opened.visits.openAt("#/oversight?part=warnings");
  const row = page.locator("[data-warning=fault]").first();
  await row.getByText("The port reports fault 2018").waitFor();
  await row.getByText(/^Samples that fired it/).click();
  await row.locator("tbody tr").first().waitFor();
  assert.deepEqual(await axe(page), []);
  await row.getByRole("button", { name: "I have seen it" }).click();
  await row.getByText(/seen by/).waitFor();
  const { items } = await opened.visits.ask(`/oversight/warnings?operator=${OPERATOR}`);
  assert.ok(items.find((/** @type {{id: string}} */ one) => one.id === id).acknowledged_ms > 0);
  await page.context().close();
});

test("an operator is made with a key shown once, gets another, is suspended and removed", async () => {
  await glance();
  const page = await opened.visits.openAt("#/oversight");
  await page.getByRole("button", { name: "Add an operator" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Make the operator" }).click();
  await dialog.getByText("1 to 64 visible ASCII characters without spaces.").waitFor();
  assert.equal(await dialog.getByLabel("Id of the operator").getAttribute("aria-invalid"), "true");
  await dialog.getByLabel("Id of the operator").fill("MA007TEST");
  await dialog.getByLabel("Name", { exact: true }).fill("Lakeside");
  assert.deepEqual(await axe(page), []);
  await dialog.getByRole("button", { name: "Make the operator" }).click();
  const key = page.getByRole("textbox", { name: "Secret key" });
  await until("the key", 30_000, async () => (await key.count()) === 1 && (await key.getAttribute("readonly")) !== null);
  const first = await key.inputValue();
  assert.ok(first.length >= 8);
  await page.getByRole("button", { name: "I have it" }).click();

  await page.locator("[data-operator=MA007TEST]").getByRole("link", { name: "Lakeside" }).click();
  await page.locator("label", { hasText: "Keys" }).click();
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByRole("dialog").getByLabel("The old key holds for another").fill("721");
  await page.getByRole("dialog").getByRole("button", { name: "New key" }).click();
  await page.getByText("That is outside of what is possible.").waitFor();
  await page.getByRole("dialog").getByLabel("The old key holds for another").fill("0");
  await page.getByRole("dialog").getByRole("button", { name: "New key" }).click();
  await until("another key", 30_000, async () => (await key.count()) === 1 && ![first, ""].includes(await key.inputValue()));
  await page.getByRole("button", { name: "I have it" }).click();

  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByLabel("Suspended: everything it asks is refused").check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".chip", { hasText: "Suspended" }).waitFor();

  await page.getByRole("button", { name: "Remove this operator" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await until("the list without it", 30_000, async () => (await page.locator(`[data-operator=${OTHER}]`).count()) === 1 && (await page.locator("[data-operator=MA007TEST]").count()) === 0);
  await page.context().close();
});

test("somebody of an operator sees that operator and nothing of the house, and changes its addresses", async () => {
  await glance();
  const page = await asPerson();
  await page.locator("#operator", { hasText: "Riverside Charging" }).waitFor();
  const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
  assert.deepEqual(await links.allInnerTexts(), ["Oversight"]);
  await page.goto(`${opened.visits.demo.base_url}/#/oversight/${OTHER}`);
  await page.locator("#operator", { hasText: "Riverside Charging" }).waitFor();
  assert.equal(await page.getByText("Hillside").count(), 0);
  assert.equal(await page.getByRole("button", { name: "Edit", exact: true }).count(), 0, "its own settings are the authority's");

  await page.locator("label", { hasText: "Addresses" }).click();
  const row = page.locator("[data-callback=risk]");
  await row.getByRole("button", { name: "Set an address: Warning", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Address").fill("operator.example");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("An address that begins with http:// or https://, please.").waitFor();
  await dialog.getByLabel("Address").fill("https://operator.example/risk");
  await dialog.getByRole("button", { name: "Save" }).click();
  await row.getByText("https://operator.example/risk").waitFor();
  await page.getByText(/^Changes \(/).click();
  await page.getByText(/operator\.example\/risk/).nth(1).waitFor();
  await page.getByRole("button", { name: "Show", exact: true }).click();
  assert.ok((await page.getByRole("textbox", { name: "Callback token" }).inputValue()).length >= 16);
  assert.deepEqual(await axe(page), []);
  await page.getByRole("button", { name: "I have it" }).click();
  await row.getByRole("button", { name: "Remove the address: Warning" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await row.getByText("No address: the operator is not called.").waitFor();
  await page.context().close();
});

test("a user is tied to an operator in the form", async () => {
  await glance();
  const page = await opened.visits.openAt("#/users");
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Hillside person");
  await page.getByLabel("Role", { exact: true }).selectOption("");
  await page.getByRole("combobox", { name: "Oversight" }).selectOption({ label: "Only Hillside Charging" });
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("dl").first().getByText("Only Hillside Charging").waitFor();
  const { oversight } = (await opened.visits.ask("/users")).items.find((/** @type {{id: string}} */ one) => one.id === "hillside-person");
  assert.equal(oversight.operator, OTHER);
  await opened.visits.ask("/users/hillside-person?sessions=keep", { method: "DELETE" });
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

// What is chosen for the whole installation, in a real browser against the real binary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { OUTPUT, until } from "./support.mjs";
import { axe, openForTests } from "./visits.mjs";

const opened = openForTests();

test("the nightly backup, the relay, addresses and a site's name are changed in the page", async () => {
  const { visits } = opened;
  const page = await visits.openAt("#/settings");
  const row = (/** @type {string} */ what) => page.locator(`[data-setting=${what}]`).first();
  const dialog = page.getByRole("dialog");
  const save = () => dialog.getByRole("button", { name: "Save" }).click();
  const change = (/** @type {string} */ what) => row(what).getByRole("button").click();
  await row("backup").waitFor();

  await change("backup");
  await dialog.getByLabel("How many are kept").fill("many");
  await save();
  await dialog.getByText("outside of what is possible").waitFor();
  assert.deepEqual(await axe(page), [], "the form, with a problem");
  await dialog.getByLabel("How many are kept").fill("3");
  await dialog.getByLabel("Time").fill("04:15");
  await save();
  await row("backup").getByText("at 04:15, 3 are kept").waitFor();
  assert.deepEqual((await visits.ask("/settings")).backup, { keep: 3, at_minute: 255, from_file: false });

  await change("mail");
  await dialog.getByLabel("Mail relay").fill("mail.example.org");
  await dialog.getByLabel("Sender").fill("hub@example.org");
  await dialog.getByLabel("User at the relay").fill("hub");
  await save();
  await dialog.getByText("Please fill this in.").waitFor();
  await dialog.getByLabel("Password at the relay").fill("a secret");
  await save();
  await row("mail").getByText("by mail.example.org, from hub@example.org").waitFor();
  assert.equal((await visits.ask("/settings")).mail.has_password, true);
  await change("mail");
  assert.equal(await dialog.getByLabel("Password at the relay").inputValue(), "", "the password is not shown again");
  await dialog.getByRole("button", { name: "Send no e-mail" }).click();
  await until("no relay", 30_000, async () => (await visits.ask("/settings")).mail === null);

  await change("outbound");
  await dialog.getByRole("textbox").fill("not a network/33");
  await save();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("textbox").fill("192.168.1.30\nhub.local");
  await save();
  await row("outbound").getByText("192.168.1.30 and hub.local").waitFor();

  await change("site");
  await dialog.getByLabel("Name", { exact: true }).fill("House");
  await save();
  await row("site").getByText("after a restart").waitFor();
  assert.deepEqual(await axe(page), []);
  await page.screenshot({ path: join(OUTPUT, "installation.png"), fullPage: true });
  await page.context().close();
});

test("nothing was asked of strangers, and no script failed", () => {
  assert.deepEqual(opened.visits.complaints, []);
});

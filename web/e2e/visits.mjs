// A person's visits to the demo: signed in, watched for complaints, and checked for who cannot see or point.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { openBrowser, openDemo } from "./support.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { width: 1280, height: 900 };

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").BrowserContextOptions} Options */

export class Visits {
  /** What the browser complained about, and where it went. @type {string[]} */
  complaints = [];
  /** Kept from the first sign-in, so that each test need not sign in again. @type {any} */
  #signed_in = null;

  /**
   * @param {import("./support.mjs").Demo} demo
   * @param {import("playwright-core").Browser} browser
   */
  constructor(demo, browser) {
    this.demo = demo;
    this.browser = browser;
  }

  /** A fresh browser context with one page. @param {Options} options */
  async open(options = {}) {
    const context = await this.browser.newContext({ viewport: DESKTOP, colorScheme: "light", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      // The browser reports refusals and lost connections that tests bring about on purpose in its own words.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
        this.complaints.push(message.text());
      }
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      const is_own = url.protocol === "blob:" || url.hostname === new URL(this.demo.base_url).hostname;
      if (!is_own) this.complaints.push(`asked ${request.url()}`);
    });
    return page;
  }

  /** @param {Page} page */
  async signIn(page) {
    await page.goto(this.demo.base_url);
    await page.getByLabel("User").fill(this.demo.native.admin_user);
    await page.getByLabel("Password").fill(this.demo.native.admin_password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("[data-evse]").first().waitFor();
  }

  /**
   * A page of the first site, signed in.
   * @param {string} hash
   * @param {Options} options
   */
  async openAt(hash, options = {}) {
    if (!this.#signed_in) {
      const page = await this.open();
      await this.signIn(page);
      this.#signed_in = await page.context().storageState();
      await page.context().close();
    }
    const page = await this.open({ storageState: this.#signed_in, ...options });
    await page.goto(`${this.demo.base_url}/${hash}`);
    return page;
  }

  /**
   * Asks the native API as the administrator.
   * @param {string} path
   * @param {RequestInit} options
   * @returns {Promise<any>}
   */
  async ask(path, options = {}) {
    const answer = await fetch(`${this.demo.base_url}/api/v1${path}`, {
      ...options,
      headers: { authorization: `Bearer ${this.demo.native.token}`, "content-type": "application/json" },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json().catch(() => null);
  }
}

/**
 * A demo and a browser for the tests of one file, open before the first and closed after the last.
 * @returns {{visits: Visits}}
 */
export function openForTests() {
  const opened = /** @type {{visits: Visits}} */ ({});
  before(async () => {
    opened.visits = new Visits(await openDemo(), await openBrowser());
  });
  after(async () => {
    await opened.visits?.browser.close();
    await opened.visits?.demo.stop();
  });
  return opened;
}

/** What stands in the way of people who cannot see or point. @param {Page} page @returns {Promise<string[]>} */
export async function axe(page) {
  // The content policy refuses script tags; evaluating through the browser's own protocol is not one.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    // @ts-expect-error axe is what the line above defines
    const { violations } = await globalThis.axe.run(document);
    return violations.map(
      (/** @type {{id: string, nodes: {html: string, failureSummary: string}[]}} */ one) =>
        `${one.id}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`,
    );
  });
}

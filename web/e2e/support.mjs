// What the browser tests stand on: a running demo, a browser, and waiting for something to become true.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const OUTPUT = new URL("./output", import.meta.url).pathname;
const BINARY = new URL("../../target/debug/ohmstead", import.meta.url).pathname;
/** How long the demo may take to say where it listens. A debug build on a busy machine is slow. */
const START_MS = 90_000;

/**
 * @typedef {object} Demo
 * @property {string} base_url
 * @property {{admin_user: string, admin_password: string, token: string, site_id: string}} native
 * @property {string | null} ticket one-time sign-in ticket, known when these tests started the demo themselves
 * @property {() => Promise<void>} stop
 */

/** @param {string} file @returns {Pick<Demo, "base_url" | "native">} */
function read(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

/**
 * The demo named by OHMSTEAD_DEMO_JSON, or one started for these tests.
 * @returns {Promise<Demo>}
 */
export async function openDemo() {
  const given = process.env["OHMSTEAD_DEMO_JSON"];
  if (given) return { ...read(given), ticket: null, stop: async () => {} };

  const data = mkdtempSync(join(tmpdir(), "ohmstead-e2e-"));
  const binary = process.env["OHMSTEAD_BIN"] ?? BINARY;
  const child = spawn(binary, ["demo", "--listen", "127.0.0.1:0", "--data", data, "--seed", "1"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stdout.on("data", (piece) => (said += piece));
  child.stderr.on("data", (piece) => (said += piece));
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  try {
    await until("the demo to print its sign-in link", START_MS, async () => {
      if (child.exitCode !== null) throw new Error(`the demo ended with ${child.exitCode}: ${said}`);
      return /#ticket=(\S+)/.test(said);
    });
    const ticket = /#ticket=(\S+)/.exec(said)?.[1] ?? null;
    return { ...read(join(data, "demo.json")), ticket, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Debian's Chromium, without anything that talks to the outside. */
export function openBrowser() {
  mkdirSync(OUTPUT, { recursive: true });
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * A wire to the demo that can go silent or break, as real networks do.
 * @param {string} base_url
 */
export async function openWire(base_url) {
  const { hostname, port } = new URL(base_url);
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  let is_cut = false;
  const server = createServer((near) => {
    if (is_cut) return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const [from, to] of /** @type {const} */ ([[near, far], [far, near]])) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const destroyAll = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: `http://127.0.0.1:${address.port}`,
    /** Connections stay, and nothing comes through. */
    silence: () => sockets.forEach((socket) => socket.pause()),
    speak: () => sockets.forEach((socket) => socket.resume()),
    cut: () => {
      is_cut = true;
      destroyAll();
    },
    mend: () => {
      is_cut = false;
    },
    close: () => {
      destroyAll();
      server.close();
    },
  };
}

/**
 * Asks again until the answer is neither false nor null.
 * @template T
 * @param {string} what
 * @param {number} limit_ms
 * @param {() => Promise<T | false | null>} ask
 * @returns {Promise<T>}
 */
export async function until(what, limit_ms, ask) {
  const end = Date.now() + limit_ms;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null) return answer;
    if (Date.now() > end) throw new Error(`waited ${limit_ms / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

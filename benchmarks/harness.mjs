// What the sections share: they start programs, wait, and put a figure beside a limit.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const BIN = "target/release/ohmstead";
/** For everything that a run leaves behind. */
export const dir = mkdtempSync(join(tmpdir(), "ohmstead-bench-"));
/** `--full`: more of everything. */
export const full = process.argv.includes("--full");

const children = [];
const rows = [];

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

/** The rows since the last call. */
export const takeRows = () => rows.splice(0);

export function row(what, figure, beside, command) {
  rows.push({ what, figure, beside, command });
  console.log(`${what.padEnd(46)} ${figure.padEnd(26)} ${beside}`);
}

export function start(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  child.lines = createInterface({ input: child.stdout });
  children.push(child);
  return child;
}

/** Resolves with the first `count` lines that contain a text. */
export function linesWith(child, text, count = 1) {
  const found = [];
  return new Promise((done, fail) => {
    child.lines.on("line", (line) => {
      if (line.includes(text)) found.push(line);
      if (found.length === count) done(found);
    });
    child.on("exit", () => fail(new Error(`the process ended without ${count} lines with ${text}`)));
  });
}

export async function until(what, holds) {
  for (let i = 0; i < 600; i++) {
    if (await holds().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`${what}: not within 60 s`);
}

export function stop(child) {
  return new Promise((done) => {
    if (child.exitCode !== null) return done();
    child.on("exit", done);
    child.kill("SIGTERM");
  });
}

const clockTicks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
export const cpuSeconds = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / clockTicks;
};
export const rssMb = (pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]) / 1024;

export const round = (value) => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));

/** A figure that must not exceed its limit, or must reach what is wanted. */
export function limited(what, value, limit, unit, command, at = "most") {
  const holds = at === "most" ? value <= limit : value >= limit;
  row(what, `${round(value)} ${unit}`, `${holds ? "holds" : "MISSES"} the limit of at ${at} ${limit} ${unit}, ${(value / limit).toFixed(2)} x`, command);
}

/** Builds an example in release form; answers where it is. */
export function example(crate, name) {
  execFileSync("cargo", ["build", "--release", "--quiet", "--package", crate, "--example", name], { stdio: "inherit" });
  return `target/release/examples/${name}`;
}

/** Ends what was started, and leaves nothing behind. */
export async function tidy() {
  await Promise.all(children.map(stop));
  rmSync(dir, { recursive: true, force: true });
}

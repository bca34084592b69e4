// Figures beside a peer or a limit, taken in the same run. Prints ratios; writes benchmarks/results.md, where
// sections that were not asked for stay as they are. Started by ./bench, which builds and installs what this needs.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { takeRows, tidy } from "./harness.mjs";
import { control } from "./sections/control.mjs";
import { fleet, status } from "./sections/goe.mjs";
import { loggers, shinemonitor } from "./sections/shinemonitor.mjs";
import { serve } from "./sections/serve.mjs";
import { history, peers, records, server } from "./sections/store.mjs";
import { supervision } from "./sections/supervision.mjs";

const RESULTS = "benchmarks/results.md";

/** Sections by name, in the order of results.md. */
const sections = { control, fleet, history, server, records, peers, status, shinemonitor, loggers, supervision, serve };

/** The sections of results.md as they stand. */
function written() {
  const parts = readFileSync(RESULTS, "utf8").split(/^## /m).slice(1);
  return Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf("\n")).trim(), part.slice(part.indexOf("\n")).trim()]));
}

function write(name) {
  const machine = `${cpus().length} x ${cpus()[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--", "crates", "Cargo.lock") ? " with changes" : "";
  const commit = git("rev-parse", "--short", "HEAD") + changed;
  const body = takeRows().map((r) => `| ${r.what} | ${r.figure} | ${r.beside} | ${r.command} |`).join("\n");
  const date = new Date().toISOString().slice(0, 10);
  const all = written();
  all[name] = `${date}, commit ${commit}, machine: ${machine}.\n\n| what | figure | beside | how |\n|---|---|---|---|\n${body}`;
  const text = Object.keys(sections).filter((section) => all[section]).map((section) => `## ${section}\n\n${all[section]}\n`);
  writeFileSync(
    RESULTS,
    `# Figures\n\nWritten by \`./bench\`, one section after the other. Ratios and limits were taken in the same run; absolute figures\n` +
      `differ from machine to machine.\n\n${text.join("\n")}`,
  );
}

// ./bench [--full] [SECTION...]: without a section, all of them.
const asked = process.argv.slice(2).filter((argument) => argument !== "--full");
const unknown = asked.filter((name) => !(name in sections));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(", ")}; ./bench [--full] [${Object.keys(sections).join("|")}]...`);
  process.exit(2);
}
const wanted = Object.keys(sections).filter((name) => asked.length === 0 || asked.includes(name));
try {
  for (const name of wanted) {
    await sections[name]();
    write(name);
  }
  console.log(`\nwritten to ${RESULTS}`);
} finally {
  await tidy();
}

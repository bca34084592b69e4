// Writes a .br and a .gz beside every text file of the build, so that the server never compresses.
// Also prints what the first load weighs and fails when it outgrows its allowance.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist", import.meta.url).pathname;
const compressible = new Set([".html", ".js", ".css", ".svg", ".json"]);
const firstLoadAllowance = 150_000;

/** @type {Map<string, number>} gzip size by path below dist */
const sizes = new Map();

for (const entry of readdirSync(dist, { recursive: true })) {
  const path = join(dist, String(entry));
  if (!statSync(path).isFile() || !compressible.has(extname(path))) continue;
  const bytes = readFileSync(path);
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(`${path}.gz`, gzip);
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  );
  sizes.set(relative(dist, path), gzip.length);
}

// The first load is the page and what it names; everything else is fetched later.
const html = readFileSync(join(dist, "index.html"), "utf8");
const named = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1] ?? "");
const first = ["index.html", ...named].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
const all = [...sizes.values()].reduce((sum, size) => sum + size, 0);
console.log(`first load ${(first / 1000).toFixed(1)} kB gzip, all ${(all / 1000).toFixed(1)} kB gzip`);
if (first > firstLoadAllowance) {
  console.error(`the first load is above ${firstLoadAllowance / 1000} kB gzip`);
  process.exit(1);
}

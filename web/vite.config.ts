import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a running ohmstead.
const api = process.env["OHMSTEAD_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  build: {
    // `light-dark()` and container queries are used as they are.
    target: ["chrome123", "firefox121", "safari17.5"],
    // The strict content policy allows no `data:` addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // The host stays what the browser asked for: ohmstead takes writes from its own page alone.
  server: { proxy: { "/api": { target: api, changeOrigin: false } } },
  // State is tested as the browser runs it.
  ...(process.env["VITEST"] ? { resolve: { conditions: ["browser"] } } : {}),
  test: { include: ["src/**/*.test.ts"] },
});

// Draws the dashboards: node render.mjs DASHBOARDS PROMETHEUS BEGIN END INTO [ROW] (unix seconds), with Chromium from CHROMIUM.
// With ROW only that row is drawn, of the dashboard that has one of this name: dashboard-BOARD-ROW.png.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { createServer } from "vite";

const [boards, prometheus, begin, end, into, row = ""] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const pages = await createServer({
  root: here,
  publicDir: resolve(boards, ".."),
  logLevel: "error",
  define: { "process.env": {} },
  esbuild: { jsx: "automatic" },
  server: {
    host: "127.0.0.1",
    port: 0,
    proxy: { "/prometheus": { target: prometheus, rewrite: (path) => path.replace("/prometheus", "") } },
  },
});
await pages.listen();
const at = pages.resolvedUrls.local[0];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars"],
});
let failed = false;
mkdirSync(into, { recursive: true });
const hasRow = (file) => !row || JSON.parse(readFileSync(join(boards, file))).panels.some((panel) => panel.type === "row" && panel.title === row);
for (const file of readdirSync(boards).filter((name) => name.endsWith(".json") && hasRow(name))) {
  const board = basename(file, ".json");
  const name = `dashboard-${board}${row && `-${row.toLowerCase()}`}.png`;
  const page = await browser.newPage({ viewport: { width: 1608, height: 1200 } });
  page.on("pageerror", (error) => console.error(`${board}: ${error.message.slice(0, 300)}`));
  await page.goto(`${at}?board=${board}&begin=${begin}&end=${end}&interval=15s&row=${encodeURIComponent(row)}`, { timeout: 180_000 });
  await page.waitForSelector("body[data-drawn], body[data-failed]", { timeout: 180_000, state: "attached" });
  const told = await page.evaluate(() => ({ ...document.body.dataset }));
  if (told.failed) {
    console.error(`${board}: ${told.failed}`);
    failed = true;
    continue;
  }
  await page.waitForTimeout(1_500); // charts are painted after the layout is known
  await page.locator("#board").screenshot({ path: join(into, name) });
  console.log(`${name}${told.empty ? ` (no data: ${told.empty})` : ""}`);
}
await browser.close();
await pages.close();
process.exit(failed ? 1 : 0);

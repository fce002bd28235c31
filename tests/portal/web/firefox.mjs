// A real, headless Firefox on a command line: one JSON array a line in ([what, ...]), one JSON object a line out.
//   ["go", URL] | ["eval", SCRIPT] | ["wait", CONDITION] | ["end"]
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({
  browser: "firefox", executablePath: "/usr/bin/firefox-esr", headless: true, acceptInsecureCerts: true,
  extraPrefsFirefox: { "media.autoplay.default": 0, "media.autoplay.blocking_policy": 0 },
});
const page = await browser.newPage();
const does = {
  go: (url) => page.goto(url, { waitUntil: "load" }),
  eval: (script) => page.evaluate(script),
  wait: (condition) => page.waitForFunction(condition, { timeout: 30_000 }),
  end: () => browser.close(),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...rest] = JSON.parse(line);
  try {
    const value = await does[what](...rest);
    console.log(JSON.stringify({ value: what === "eval" ? value ?? null : null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message ?? error) }));
  }
  if (what === "end") break;
}

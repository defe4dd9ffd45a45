// Plays one scenario in a window of its own: `node play.mjs SCENARIO JSON`. Exit code 1 when it fails.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Window } from './window.mjs';

const [scenario, json] = process.argv.slice(2);
const given = JSON.parse(json);
const { chromium } = createRequire(import.meta.url)(given.playwright);
const { default: play } = await import(pathToFileURL(scenario).href);

const browser = await chromium.launchPersistentContext(given.profile, {
  executablePath: fs.realpathSync(given.chromium),
  headless: true,
  viewport: { width: 1000, height: 560 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
});
const page = browser.pages()[0] ?? await browser.newPage();
const window = new Window(page, given);
let failure;
try {
  await play(window, given);
  window.assertNothingWentOut();
} catch (error) {
  failure = error;
  await page.screenshot({ path: given.failure }).catch(() => {});
  console.error(error.stack ?? error);
  console.error(`screenshot: ${given.failure}`);
}
await Promise.race([browser.close().catch(() => {}), new Promise(resolve => setTimeout(resolve, 5000))]);
process.exit(failure ? 1 : 0);

// Plays scenarios in one browser window: `node play.mjs JSON`, then a line of JSON on stdin for each; a line on stdout answers it.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';
import { Window } from './window.mjs';

const given = JSON.parse(process.argv[2]);
const { chromium } = createRequire(import.meta.url)(given.playwright);
const browser = await chromium.launchPersistentContext(given.profile, {
  executablePath: fs.realpathSync(given.chromium),
  headless: true,
  viewport: { width: 1000, height: 560 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
});
const window = new Window(browser.pages()[0] ?? await browser.newPage(), given);
for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await play(JSON.parse(line)))}\n`);
}
await Promise.race([browser.close().catch(() => {}), new Promise(resolve => setTimeout(resolve, 5000))]);
process.exit(0);

/** What the scenario prints; or how it failed, and a picture of that. */
async function play({ scenario, ...asked }) {
  try {
    const { default: act } = await import(pathToFileURL(path.join(import.meta.dirname, 'scenarios', `${scenario}.mjs`)).href);
    if (!asked.payload) await window.enter(asked); // else the scenario has something to do before
    const printed = await act(window, asked);
    window.assertNothingWentOut();
    return { printed: printed ?? '' };
  } catch (error) {
    const picture = path.join(given.failures, `${scenario}.png`);
    await window.page.screenshot({ path: picture }).catch(() => {});
    if (!asked.failsBy) window.leave(); // else it was played to fail
    return { failure: `${error.stack ?? error}\nscreenshot: ${picture}` };
  }
}

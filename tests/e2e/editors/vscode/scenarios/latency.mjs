// How long ghost text takes from a key to the screen, measured in the page, beside what the server says of the same text.
//
// The last key of each line is measured: from the event to the frame behind the one that has the text, so a frame (16 ms) too long at most.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { until } from '../window.mjs';

const PAUSE_MS = 120; // between two keys
const BEFORE_LAST_MS = 300; // so that it was asked about what was typed before
const PATIENCE_MS = 20_000; // then nothing comes, be it that it was not asked
const LINES = ['if x is ', 'if not ', 'return ', 'for line in ', 'self.name = ', 'import ', 'def main(', 'raise ', 'print(', 'x = '];

function startClock(selector) {
  const clock = globalThis.ghostClock = { key: null, shown: null };
  const restart = () => Object.assign(clock, { key: performance.now(), shown: null });
  const look = () => {
    if (clock.key === null || clock.shown !== null || !document.querySelector(selector)) return;
    clock.shown = NaN; // it is drawn
    const { key } = clock;
    requestAnimationFrame(() => { if (clock.key === key) clock.shown = performance.now(); });
  };
  document.addEventListener('keydown', restart, true);
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}

/** What there is at last, or nothing. */
function comes(check) {
  return until('it', check, PATIENCE_MS).catch(() => undefined);
}

/** The server's record of the text behind this line, once it is written. */
function answered(file, line) {
  const record = JSON.parse(fs.readFileSync(file, 'utf8'));
  return record.column === line.length + 1 && record;
}

export default async function (window, { file, model }) {
  const { page } = window;
  await window.open(file, 'last');
  await window.statusSays('ready', model);
  await page.evaluate(startClock, '.editor-instance [class*="ghost-text-decoration"]');
  const shown = [];
  for (const line of LINES) {
    await window.press('Enter');
    await page.keyboard.type(line.slice(0, -1), { delay: PAUSE_MS });
    await page.waitForTimeout(BEFORE_LAST_MS);
    await window.statusSays('ready');
    await window.press('Escape'); // what is shown by now is not what the last key brings
    await window.ghostGoes();
    fs.rmSync(window.lastCompletion, { force: true });
    await page.keyboard.type(line.at(-1));
    const record = await comes(() => answered(window.lastCompletion, line));
    const elapsed = record?.offer && await comes(() => page.evaluate(() => (ghostClock.shown > 0 ? ghostClock.shown - ghostClock.key : 0)));
    if (elapsed) shown.push({ elapsed, server: record.latency_ms, rest: elapsed - record.latency_ms });
    await window.press('Escape', 'Control+Shift+k');
  }
  assert.ok(shown.length > 0, 'ghost text came');
  const median = name => shown.map(each => each[name]).sort((one, other) => one - other)[Math.floor(shown.length / 2)].toFixed(0);
  return `${model}: ghost text at ${shown.length} of ${LINES.length} keys; medians: from the key to the screen ${median('elapsed')} ms, `
    + `of these the server's ${median('server')} ms and the editor's ${median('rest')} ms`;
}

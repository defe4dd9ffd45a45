// A debugger's statement in a changed line is marked, and a quick fix says that it is meant.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window) {
  await window.open('sample.py', 2);
  await window.statusSays('ready');
  await window.press('Enter');
  await window.type('breakpoint()');
  await window.press('Escape');
  await window.save('sample.py');
  await until('a squiggle', async () => await window.page.locator('.squiggly-warning, .squiggly-error, .squiggly-info').count() > 0);
  await window.press('Control+.');
  await until('quick fixes', async () => (await window.page.locator('.action-widget').allTextContents()).join('|').includes('Ignore'));
  await window.shot('review');
  await window.page.locator('.action-widget .monaco-list-row', { hasText: 'Ignore' }).first().click();
  await until('the comment', async () => (await window.lines()).some(line => line.includes('dsassist: ignore')));
  await window.save('sample.py');
  await until('no squiggle', async () => await window.page.locator('.squiggly-warning, .squiggly-error, .squiggly-info').count() === 0);
  assert.match(window.read('sample.py'), /breakpoint\(\).*|dsassist: ignore/);
}

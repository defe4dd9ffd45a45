// The editor's own menu is open, and Enter takes its entry; nothing of ours comes with it.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window) {
  await window.open('sample.py', 2);
  await window.statusSays('builtin');
  await window.type('x = tot');
  await until('the menu', async () => (await window.page.locator('.suggest-widget.visible .monaco-list-row').allTextContents())
    .some(row => row.includes('total_of_values')));
  await window.press('Enter');
  await until('the entry', async () => (await window.lines())[1] === 'x = total_of_values');
  await window.press('Escape');
  await window.save('sample.py');
  assert.equal(window.read('sample.py'), 'total_of_values = 3\nx = total_of_values');
}

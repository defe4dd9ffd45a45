// Two editors side by side on one file: only the one that is typed into shows ghost text, and both have what was taken.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { before, typed, after }) {
  await window.open('sample.py', before.split('\n').length);
  await window.statusSays('builtin');
  await window.command('View: Split Editor Right');
  const editors = window.page.locator('.editor-instance');
  await until('two editors', async () => await editors.count() === 2);
  await window.type(typed);
  const ghost = await window.ghostComes();
  const shown = await editors.evaluateAll(all => all.filter(editor => editor.querySelector('[class*="ghost-text-decoration"]')).length);
  assert.equal(shown, 1);
  await window.press('Tab');
  await window.save('sample.py');
  assert.equal(window.read('sample.py'), before + typed + ghost + after);
  await until('both show it', async () => (await editors.allTextContents())
    .every(text => text.replaceAll('\u00a0', ' ').includes(typed + ghost)));
}

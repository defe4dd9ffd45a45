// Two editors side by side on one file: only the one that is typed into shows ghost text, and both have what was taken.
import assert from 'node:assert/strict';
import { claim, until } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.command('View: Split Editor Right');
  const editors = window.page.locator('.editor-instance');
  await until('two editors', async () => await editors.count() === 2);
  await window.open(file, 'last');
  await window.type(typed);
  const ghost = await window.ghostComes();
  const shown = await editors.evaluateAll(all => all.filter(editor => editor.querySelector('[class*="ghost-text-decoration"]')).length);
  assert.equal(shown, 1);
  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  assert.equal(window.read(file), before + typed + ghost);
  await claim('both show it', async () => (await editors.locator('.view-lines').allTextContents())
    .every(text => text.replaceAll('\u00a0', ' ').includes(before.split('\n').at(-1) + typed + ghost)));
}

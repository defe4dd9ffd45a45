// The editor's own menu is open beside ghost text that goes on from its entry; Enter takes the entry, and nothing of ours with it.
import assert from 'node:assert/strict';
import { claim, until } from '../window.mjs';

export default async function (window, { file, before, typed, entry }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  const rows = window.page.locator('.suggest-widget.visible .monaco-list-row');
  await until('the menu', async () => (await rows.allTextContents()).some(row => row.includes(entry)));
  const ghost = await window.ghostComes();
  // Where no row is chosen yet, VS Code takes Enter as the end of the menu and writes nothing.
  const chosen = window.page.locator('.suggest-widget.visible .monaco-list-row.focused');
  await until('the entry is chosen', async () => (await chosen.allTextContents()).some(row => row.includes(entry)));
  assert.ok((typed + ghost).startsWith(entry) && typed + ghost !== entry, `it goes on from the entry: ${ghost}`);
  await window.press('Enter');
  await claim('the entry', async () => (await window.lines()).join('\n') === before + entry);
  await window.press('Escape');
  await window.save(file);
  assert.equal(window.read(file), before + entry);
}

// A workspace that is not trusted: completions come, and no program that it names or holds is started until it is trusted.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { claim, until } from '../window.mjs';

export default async function (window, { file, typed, marks }) {
  const isRestricted = async () => await window.page.locator('.statusbar-item', { hasText: 'Restricted Mode' }).count() > 0;
  await until('restricted mode', isRestricted);
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  await window.ghostComes();
  assert.equal(fs.existsSync(marks), false, 'nothing of the workspace was started');

  await window.command('dsassist: Review What Is Staged');
  const dialog = window.page.locator('.monaco-dialog-box');
  await claim('VS Code asks before it runs a program in the terminal', () => dialog.isVisible());
  await dialog.locator('.monaco-button', { hasText: 'Cancel' }).click();
  await until('no dialog', async () => !await dialog.isVisible());
  assert.equal(fs.existsSync(marks), false, 'nothing of the workspace was started');

  await window.command('Workspaces: Manage Workspace Trust');
  await window.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust$/ }).first().click();
  await claim('the program of the workspace', () => fs.existsSync(marks));
  assert.equal(await isRestricted(), false);
}

// A model that is not there: the status bar warns with the sentence, and the menu begins with it; a right one takes that away.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { until } from '../window.mjs';

export default async function (window, { file, typed, machine, sentence }) {
  await window.open(file, 'last');
  await window.statusSays('ready', 'builtin');
  const before = fs.readFileSync(machine, 'utf8');
  fs.writeFileSync(machine, JSON.stringify({ ...JSON.parse(before), 'dsassist.model': '/nowhere/model.gguf' }));
  await window.statusSays('error', sentence);
  assert.equal(await window.page.locator('.statusbar-item.warning-kind[id*="dsassist"]').count(), 1);
  await window.clickStatus();
  await until('the menu', async () => (await window.entries()).length > 5);
  assert.match((await window.entries())[0], new RegExp(`What is wrong.*${sentence}`));
  await window.press('Escape');

  fs.writeFileSync(machine, before);
  await window.statusSays('ready', 'builtin');
  await window.open(file, 'last');
  await window.type(typed);
  await window.ghostComes();
}

// What is staged is reviewed in the terminal, all of a file by squiggles, also where its lines are those of HEAD; a dismissal is taken back.
import assert from 'node:assert/strict';
import { claim, stays, until } from '../window.mjs';

export default async function (window, { file, finding }) {
  await window.open(file, 2);
  await window.statusSays('ready');
  await window.command('dsassist: Review What Is Staged');
  await claim('the finding in the terminal', async () => new RegExp(finding).test((await window.terminals()).replaceAll('\n', ' ')));
  await window.shot('staged');
  await window.command('View: Hide Panel');

  const committed = file.replace('review', 'committed');
  await window.open(committed, 2);
  await stays('what is committed is not marked by itself', async () => await window.squiggles() === 0);
  await window.command('dsassist: Review This File');
  await claim('a squiggle', async () => await window.squiggles() > 0);

  await window.open(committed, 2);
  await window.press('Control+.');
  const dismiss = window.page.locator('.action-widget .monaco-list-row', { hasText: 'Dismiss' }).first();
  await until('quick fixes', async () => await dismiss.count() > 0);
  await dismiss.click();
  await claim('what was dismissed is gone', async () => await window.squiggles() === 0);
  await window.command('dsassist: Take Back the Last Dismissal of a Finding');
  await window.command('dsassist: Review This File');
  await claim('the squiggle is back', async () => await window.squiggles() > 0);
  assert.match(window.read(committed), /breakpoint\(\)$/m, 'nothing was written');
}

// A debugger's statement in a changed line is marked, and a quick fix says that it is meant.
import assert from 'node:assert/strict';
import { claim, until } from '../window.mjs';

export default async function (window, { file }) {
  await window.open(file, 2);
  await window.statusSays('ready');
  await window.press('Enter');
  await window.type('breakpoint()');
  await window.press('Escape');
  assert.equal(await window.squiggles(), 0, 'nothing is marked before it is saved');
  await window.save(file);
  await claim('a squiggle', async () => await window.squiggles() > 0);
  await window.press('Control+.');
  const fixes = window.page.locator('.action-widget');
  await until('quick fixes', async () => (await fixes.allTextContents()).join('|').includes('Ignore'));
  await window.shot('review');
  await fixes.locator('.monaco-list-row', { hasText: 'Ignore' }).first().click();
  await until('the comment', async () => (await window.lines()).some(line => line.includes('dsassist: ignore')));
  await window.save(file);
  await claim('no squiggle', async () => await window.squiggles() === 0);
  assert.match(window.read(file), /breakpoint\(\)/);
  assert.match(window.read(file), /dsassist: ignore/);
}

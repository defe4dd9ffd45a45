// Ghost text comes as one types, Tab takes it, and undo takes it back. Prints how long it took to be on the screen.
import assert from 'node:assert/strict';
import { claim, until } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  assert.ok((await window.statusText()).includes('builtin'));
  await window.type(typed.slice(0, -1));
  const start = performance.now();
  await window.type(typed.slice(-1));
  await claim('ghost text', () => window.ghost());
  const elapsed = performance.now() - start;
  const ghost = await window.ghostComes();
  await window.shot('ghost-text');
  assert.equal(window.read(file), before, 'nothing is on disk before it is saved');
  const own = /took (\d+) ms/.exec(await until('the tooltip', () => window.statusTooltip()))?.[1];

  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  assert.equal(window.read(file), before + typed + ghost);
  await window.press('Control+z');
  await claim('what was taken is undone', async () => (await window.lines()).join('\n') === before + typed);
  return `from the key to the ghost text on the screen: ${elapsed.toFixed(0)} ms; of these the server's: ${own} ms`;
}

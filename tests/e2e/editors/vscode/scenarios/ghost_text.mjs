// Ghost text comes as one types, Tab takes it, and undo takes it back. Prints how long it took to be on the screen.
import assert from 'node:assert/strict';
import { WAIT_MS, until } from '../window.mjs';

export default async function (window, { before, typed, after }) {
  await window.open('sample.py', before.split('\n').length);
  await window.statusSays('builtin');
  assert.ok((await window.statusText()).includes('builtin'));
  await window.type(typed.slice(0, -1));
  const start = performance.now();
  await window.type(typed.slice(-1));
  await window.page.waitForSelector('.editor-instance [class*="ghost-text-decoration"]', { timeout: WAIT_MS });
  const elapsed = performance.now() - start;
  const ghost = await window.ghostComes();
  await window.shot('ghost-text');
  assert.ok(!window.read('sample.py').includes(typed), 'nothing is on disk before it is saved');

  await window.press('Tab');
  await window.ghostGoes();
  await window.save('sample.py');
  assert.equal(window.read('sample.py'), before + typed + ghost + after);
  const own = /took (\d+) ms/.exec(await window.statusTooltip())?.[1];
  console.log(`from the key to the ghost text on the screen: ${elapsed.toFixed(0)} ms; of these the server's: ${own} ms`);

  await window.press('Control+z');
  await until('the accepted text is undone', async () => (await window.lines()).join('\n').trimEnd() === (before + typed + after).trimEnd());
}

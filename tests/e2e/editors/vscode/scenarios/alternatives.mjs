// Asked by hand, several texts come, and the keys go from one to the next and back.
import assert from 'node:assert/strict';
import { claim } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  await window.ghostComes();
  await window.press('Escape');
  await window.ghostGoes();
  await window.press('Alt+\\');
  const first = await window.ghostComes();
  await window.press('Alt+]');
  await claim('another text', async () => ![first, ''].includes(await window.ghost()));
  const second = await window.ghostComes();
  await window.press('Alt+[');
  await claim('the first again', async () => await window.ghost() === first);
  await window.press('Alt+]');
  await claim('the other again', async () => await window.ghost() === second);
  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  assert.ok(window.read(file).startsWith(before + typed + second));
  return `at ${typed}: ${first}, or ${second}`;
}

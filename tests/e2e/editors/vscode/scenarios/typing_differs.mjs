// Esc takes the ghost text away, and so does typing something else; none of it is left anywhere.
import assert from 'node:assert/strict';
import { stays, until } from '../window.mjs';

export default async function (window, { before, typed }) {
  await window.open('sample.py', before.split('\n').length);
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.press('Escape');
  await window.ghostGoes();
  await stays('what was dismissed does not come back by itself', async () => await window.ghost() === '');

  await window.press('Backspace');
  await window.type(typed.slice(-1));
  await window.ghostComes();
  await window.type('ZQ');
  await until('the old ghost text is gone', async () => !(await window.ghost()).includes(ghost));
  await window.press('Escape');
  await window.save('sample.py');
  assert.ok(window.read('sample.py').includes(`${typed}ZQ`));
  assert.ok(!window.read('sample.py').includes(ghost), 'no ghost text in the file');
}

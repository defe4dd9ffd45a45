// A word, then a line; the rest stays as ghost text as long as what is typed agrees with it.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { before, typed, after }) {
  const row = before.split('\n').length - 1;
  const line = async () => (await window.lines())[row];
  const lastLine = before.slice(before.lastIndexOf('\n') + 1);
  await window.open('sample.py', row + 1);
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  const start = lastLine + typed;

  await window.press('Control+ArrowRight');
  await until('a word is taken', async () => (await line()).length > start.length);
  const withWord = await line();
  assert.ok((start + ghost).startsWith(withWord) && withWord.length < (start + ghost).length, `a part, not all: ${withWord}`);

  const rest = (start + ghost).slice(withWord.length);
  await until('the rest is there', async () => await window.ghost() === rest);
  await window.type(rest[0]);
  await until('what agrees leaves the rest', async () => await window.ghost() === rest.slice(1));
  await window.press('Backspace');
  await until('the rest is back', async () => (await window.ghost()).startsWith(rest));

  await window.press('Control+Alt+ArrowRight');
  await until('the line is taken', async () => await line() === start + ghost);
  await window.save('sample.py');
  assert.equal(window.read('sample.py'), before + typed + ghost + after);
}

// A word, then a line; the rest stays as ghost text as long as what is typed agrees with it.
import assert from 'node:assert/strict';
import { claim, stays } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  const text = async () => (await window.lines()).join('\n');
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  const whole = before + typed + await window.ghostComes();

  await window.press('Control+ArrowRight');
  await claim('a word is taken', async () => (await text()).length > (before + typed).length);
  const withWord = await text();
  assert.ok(whole.startsWith(withWord) && withWord.length < whole.length, `a part, not all: ${withWord}`);

  const rest = whole.slice(withWord.length);
  await claim('the rest is there', async () => await window.ghost() === rest);
  await window.type(rest[0]);
  const isLeft = async () => await window.ghost() === rest.slice(1);
  await claim('what agrees leaves the rest', isLeft);
  await stays('what agrees leaves the rest where it is', isLeft);
  await window.press('Backspace');
  await claim('the rest is back', async () => (await window.ghost()).startsWith(rest));

  await window.press('Control+Alt+ArrowRight');
  await claim('the line is taken', async () => await text() === whole);
  await window.save(file);
  assert.equal(window.read(file), whole);
}

// Esc takes the ghost text away, and then no key takes any of it; typing something else takes it away too.
import assert from 'node:assert/strict';
import { claim, stays } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  const text = async () => (await window.lines()).join('\n');
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.press('Escape');
  await window.ghostGoes();
  await stays('what was dismissed does not come back by itself', async () => await window.ghost() === '');
  await window.press('Control+ArrowRight');
  assert.equal(await text(), before + typed, 'the key for a word takes none');
  await window.press('Tab');
  await claim('Tab is but a tab', async () => /^\s+$/.test((await text()).slice((before + typed).length)));
  await window.press('Control+z');
  await claim('the tab is undone', async () => await text() === before + typed);

  await window.typeAgain(typed);
  await window.ghostComes();
  await window.type('ZQ');
  const isGone = async () => !(await window.ghost()).includes(ghost);
  await claim('the old ghost text is gone', isGone);
  await stays('the old ghost text stays away', isGone);
  await window.save(file);
  assert.equal(window.read(file), `${before}${typed}ZQ`, 'nothing of it was written');
}

// Whatever the document is like, Tab puts the ghost text where it was shown: the file on disk is right, byte by byte.
import assert from 'node:assert/strict';

export default async function (window, { file, before, typed, model = 'builtin' }) {
  await window.open(file, 'last');
  await window.statusSays(model);
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  assert.equal(window.read(file), before + typed + ghost);
}

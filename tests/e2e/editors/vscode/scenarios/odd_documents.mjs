// Whatever the document is like, Tab puts the ghost text where it was shown: the file on disk is right, byte by byte.
import assert from 'node:assert/strict';

export default async function (window, { before, typed, after, line }) {
  await window.open('sample.py', line);
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.press('Tab');
  await window.ghostGoes();
  await window.save('sample.py');
  assert.equal(window.read('sample.py'), before + typed + ghost + after);
}

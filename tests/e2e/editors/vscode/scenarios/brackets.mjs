// Ghost text inside brackets that the editor closed: after Tab each is closed once.
import assert from 'node:assert/strict';

export default async function (window, { before, typed }) {
  await window.open('sample.py', before.split('\n').length);
  await window.statusSays('builtin');
  await window.type(typed);
  await window.ghostComes();
  await window.press('Tab');
  await window.ghostGoes();
  await window.save('sample.py');
  const written = window.read('sample.py').slice(before.length);
  assert.ok(written.startsWith(typed));
  assert.equal(written.split('(').length, written.split(')').length, `each bracket is closed once: ${written}`);
}

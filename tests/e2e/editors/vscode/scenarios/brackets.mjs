// Ghost text inside brackets that the editor closed: after Tab each is closed once.
import assert from 'node:assert/strict';

export default async function (window, { file, before, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  assert.ok((await window.lines()).at(-1).endsWith(')'), 'the editor closed the bracket');
  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  const written = window.read(file).slice(before.length);
  assert.ok(written.startsWith(typed) && written.length > `${typed})`.length, written);
  assert.equal(written.split('(').length, written.split(')').length, `each bracket is closed once: ${written}`);
  return `inside brackets: ${typed}⟦${ghost}⟧ became ${written}`;
}

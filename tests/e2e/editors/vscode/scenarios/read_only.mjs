// In a file that the editor does not let anyone change nothing is shown, and nothing changes.
import assert from 'node:assert/strict';
import { stays } from '../window.mjs';

export default async function (window, { before, typed, after }) {
  await window.open('sample.py', before.split('\n').length);
  await window.statusSays('builtin');
  await window.type(typed);
  await stays('nothing is shown', async () => await window.ghost() === '');
  assert.equal((await window.lines()).join('\n').trimEnd(), (before + after).trimEnd());
}

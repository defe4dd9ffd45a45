// In a file that the editor lets nobody change nothing is shown and nothing changes, until it may be written again.
import assert from 'node:assert/strict';
import { stays } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.command('File: Set Active Editor Read-only in Session');
  await window.open(file, 'last');
  await window.type(typed);
  await stays('nothing is shown', async () => await window.ghost() === '');
  assert.equal((await window.lines()).join('\n'), before);

  await window.command('File: Set Active Editor Writeable in Session');
  await window.open(file, 'last');
  await window.type(typed);
  await window.ghostComes();
}

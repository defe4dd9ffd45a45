// A window with two folders: in one completions come, in the other its configuration file switches them off.
import { stays } from '../window.mjs';

export default async function (window, { typed }) {
  await window.open('one/first.py', 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  await window.ghostComes();
  await window.press('Escape');

  await window.open('two/second.py', 'last');
  await window.type(typed);
  await window.statusSays('off', 'completion.enabled');
  await stays('nothing is shown', async () => await window.ghost() === '');
}

// A window with two folders: in one completions come, in the other its configuration file switches them off.
import { stays } from '../window.mjs';

export default async function (window, { before, typed }) {
  const line = before.split('\n').length;
  await window.open('one/sample.py', line);
  await window.statusSays('builtin');
  await window.type(typed);
  await window.ghostComes();

  await window.command('Go to File...');
  await window.type('two/sample.py');
  await window.choose('two');
  await window.goTo(line);
  await window.type(typed);
  await window.statusSays('off', 'completion.enabled');
  await stays('nothing is shown', async () => await window.ghost() === '');
}

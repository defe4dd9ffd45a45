// A workspace that switches completion off gets none, until the command turns it on there, or its settings are silent.
import { stays } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  window.settings({ 'dsassist.completion.enabled': false });
  await window.statusSays('off', 'completion.enabled');
  await window.type(typed);
  await stays('nothing is shown', async () => await window.ghost() === '');

  await window.command('dsassist: Turn Completions On or Off');
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.typeAgain(typed);
  await window.ghostComes();

  await window.command('dsassist: Turn Completions On or Off');
  await window.statusSays('off');
  await window.open(file, 'last');
  await window.typeAgain(typed);
  await stays('nothing is shown', async () => await window.ghost() === '');

  window.settings({});
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.typeAgain(typed);
  await window.ghostComes();
}

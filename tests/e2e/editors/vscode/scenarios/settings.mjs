// A workspace that switches completion off gets none, until the command turns it on there, or its settings are silent.
import { stays } from '../window.mjs';

export default async function (window, { before, typed }) {
  const line = before.split('\n').length;
  const typeAgain = async () => {
    await window.goTo(line);
    await window.press('Backspace');
    await window.type(typed.slice(-1));
  };
  await window.open('sample.py', line);
  await window.type(typed);
  await window.statusSays('off', 'completion.enabled');
  await stays('nothing is shown', async () => await window.ghost() === '');

  await window.command('dsassist: Turn Completions On or Off');
  await window.statusSays('ready');
  await typeAgain();
  await window.ghostComes();

  await window.command('dsassist: Turn Completions On or Off');
  await typeAgain();
  await window.statusSays('off');
  await stays('nothing is shown', async () => await window.ghost() === '');

  window.write('.vscode/settings.json', '{}');
  await window.statusSays('ready');
  await typeAgain();
  await window.ghostComes();
}

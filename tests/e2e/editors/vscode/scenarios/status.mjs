// The status bar names the model; its menu snoozes, by hand a completion comes all the same, and the menu ends the snooze.
import { stays, until } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('ready', 'builtin');
  await window.clickStatus();
  await until('the menu', async () => (await window.entries()).length > 5);
  await window.shot('menu');
  await window.choose('Snooze');
  await window.statusSays('snoozed');

  await window.open(file, 'last');
  await window.type(typed);
  await stays('nothing is shown while it is snoozed', async () => await window.ghost() === '');
  await window.press('Alt+\\');
  await window.ghostComes();
  await window.press('Escape');

  await window.clickStatus();
  await window.choose('End the snooze');
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.typeAgain(typed);
  await window.ghostComes();
}

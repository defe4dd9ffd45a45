// No program: one message that leads to the walkthrough; once the setting names one, completions come.
import { until } from '../window.mjs';

export default async function (window, { file, typed, program }) {
  await window.openMessages();
  const ofOurs = async () => (await window.messages()).filter(message => message.includes('dsassist'));
  await until('the one message', async () => (await ofOurs()).length === 1 && (await ofOurs())[0].includes('which is no program'));
  await window.statusSays('error', 'no program');
  await window.page.locator('.notifications-center').getByText('How to Install').click();
  await until('the walkthrough', async () => await window.page.getByText('Install dsassist').first().isVisible());

  window.settings({ 'dsassist.path': program });
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.type(typed);
  await window.ghostComes();
}

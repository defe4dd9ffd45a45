// No program: one message that leads to the walkthrough; once the setting names one, completions come.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { before, typed, program }) {
  const line = before.split('\n').length;
  await window.open('sample.py', line);
  await until('the message', async () => (await window.messages()).some(message => message.includes('which is no program')));
  assert.equal((await window.messages()).length, 1);
  await window.statusSays('error', 'no program');
  await window.page.locator('.notifications-toasts').getByText('How to Install').click();
  await until('the walkthrough', async () => await window.page.getByText('Install dsassist').first().isVisible());
  await window.shot('walkthrough');

  window.write('.vscode/settings.json', JSON.stringify({ 'dsassist.path': program }));
  await window.statusSays('ready');
  await window.command('View: Close Editor');
  await window.goTo(line);
  await window.type(typed);
  await window.ghostComes();
}

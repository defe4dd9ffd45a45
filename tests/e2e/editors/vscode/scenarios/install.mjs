// No program anywhere: the one message leads to the walkthrough, whose button installs it from its sources; then completions come.
import assert from 'node:assert/strict';
import { claim, until } from '../window.mjs';

export default async function (window, { file, typed, sources }) {
  await window.openMessages();
  await until('the one message', async () => (await window.messages()).filter(message => message.includes('was not found')).length === 1);
  await window.statusSays('error', 'was not found');
  await window.page.locator('.notifications-center').getByText('How to Install').click();
  const button = window.page.locator('.gettingStartedContainer .monaco-button', { hasText: 'Install from its sources' });
  await until('the walkthrough', () => button.isVisible());

  await button.click();
  await window.answerDialog('/');
  await window.openMessages();
  await until('a sentence for a folder without them', async () => (await window.messages()).some(message => message.includes('does not hold the sources')));
  assert.equal(window.servers().length, 0);

  await button.click();
  await window.answerDialog(sources);
  await claim('the program that was installed', () => window.servers().length === 1);
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.type(typed);
  await window.ghostComes();
}

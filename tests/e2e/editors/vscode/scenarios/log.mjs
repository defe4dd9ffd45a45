// The log opens in the panel, and says which program was started.
import { claim, until } from '../window.mjs';

export default async function (window, { program }) {
  await window.statusSays('ready');
  await window.command('dsassist: Restart');
  await window.command('dsassist: Show Log');
  const panel = window.page.locator('.part.panel');
  await until('the panel', () => panel.isVisible());
  const text = async () => (await panel.locator('.view-lines').allInnerTexts()).join().replaceAll(/\s/g, ''); // its lines are wrapped
  await claim('the program in the log', async () => (await text()).includes(`starting${program}lsp`));
  await window.command('View: Hide Panel');
}

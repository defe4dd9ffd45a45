// A text is shown and taken, and the page of statistics in a tab counts it.
import { claim, until } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  await window.ghostComes();
  await window.press('Tab');
  await window.ghostGoes();
  await window.command('dsassist: Show Statistics');
  await until('the tab', async () => await window.page.locator('.tab.active', { hasText: 'dsassist: Statistics' }).count() > 0);
  const texts = () => Promise.all(window.page.frames().map(frame => frame.evaluate(() => document.body?.innerText ?? '').catch(() => '')));
  await claim('the figures', async () => (await texts()).some(text => /accepted/i.test(text) && /shown/i.test(text)));
}

// Two windows: each has a server and ghost text of its own, and all have one model; one is closed, and the other goes on.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { second, ...files }) {
  const other = await window.another(second);
  try {
    await play(window, other, files);
  } finally {
    await other.page.close();
  }
  await until("the closed window's server is gone", () => other.servers().length === 0);
}

async function play(window, other, { file, before, typed }) {
  const both = [window, other];
  const shown = [];
  for (const each of both) {
    await each.page.bringToFront();
    await each.open(file, 'last');
    await each.statusSays('ready', 'builtin');
    await each.type(typed);
    shown.push(await each.ghostComes());
  }
  for (const each of both) await until('a window has one server', () => each.servers().length === 1);
  assert.notDeepEqual(window.servers(), other.servers());
  assert.equal(window.modelServers().length, 1);
  assert.equal(window.engines().length, 1);

  await other.press('Tab');
  await other.ghostGoes();
  await other.save(file);
  assert.equal(other.read(file), before + typed + shown[1]);
  assert.equal(await window.ghost(), shown[0], 'the other window shows what it did');
  other.assertNothingWentOut();
  await other.page.close();

  await window.page.bringToFront();
  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  assert.equal(window.read(file), before + typed + shown[0]);
}

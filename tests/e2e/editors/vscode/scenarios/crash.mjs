// The language server, and then the one with the model, is killed while the window is open: another takes its place, without a message.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { file, before, typed }) {
  await window.open(file, 'last');
  await window.statusSays('ready');
  await until('a window has one server', () => window.servers().length === 1); // that of a window closed before leaves late
  const [killed] = window.servers();
  process.kill(killed, 'SIGKILL');
  await until('another server', () => window.servers().some(pid => pid !== killed));
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.type(typed);
  await window.ghostComes();
  await window.press('Tab');
  await window.ghostGoes();

  const [model] = window.modelServers();
  process.kill(model, 'SIGKILL');
  await until('it is gone', () => !window.modelServers().includes(model));
  await window.press('Enter');
  await window.type(before.split('\n').at(-1) + typed);
  await window.ghostComes();
  assert.equal(window.modelServers().length, 1);
  await window.openMessages();
  assert.deepEqual((await window.messages()).filter(message => /server|connection|restart/i.test(message)), []);
}

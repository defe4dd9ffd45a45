// The server is killed while the window is open: another takes its place, without a message.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('ready');
  const [killed, ...others] = window.servers();
  assert.ok(killed && others.length === 0, 'a window has one server');
  process.kill(killed, 'SIGKILL');
  await until('another server', () => window.servers().some(pid => pid !== killed));
  await window.statusSays('ready');
  await window.open(file, 'last');
  await window.type(typed);
  await window.ghostComes();
  await window.openMessages();
  assert.deepEqual((await window.messages()).filter(message => /server|connection|restart/i.test(message)), []);
}

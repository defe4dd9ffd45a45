// The server is killed while the window is open: another takes its place, without a message.
import assert from 'node:assert/strict';
import { until } from '../window.mjs';

export default async function (window, { before, typed }) {
  const line = before.split('\n').length;
  await window.open('sample.py', line);
  await window.statusSays('ready');
  const [killed, ...others] = window.servers();
  assert.ok(killed && others.length === 0, 'a window has one server');
  process.kill(killed, 'SIGKILL');
  await until('another server', () => window.servers().some(pid => pid !== killed));
  await window.statusSays('ready');
  await window.goTo(line);
  await window.type(typed);
  await window.ghostComes();
  assert.deepEqual((await window.messages()).filter(message => message.includes('dsassist')).filter(isAboutServer), []);
}

function isAboutServer(message) {
  return /server|connection|restart/i.test(message);
}

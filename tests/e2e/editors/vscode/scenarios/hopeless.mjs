// A program that ends at once is started five times, and then told of once.
import assert from 'node:assert/strict';
import { stays, until } from '../window.mjs';

export default async function (window, { program, starts }) {
  await window.openMessages();
  const said = async () => (await window.messages()).filter(message => message.includes('ended again and again')).length;
  assert.equal(await said(), 0);
  window.settings({ 'dsassist.path': program });
  await until('the message', async () => await said() === 1);
  await window.statusSays('error');
  assert.equal(window.read(starts).trim().split('\n').length, 5);
  await stays('one message and no more', async () => await said() === 1);
}

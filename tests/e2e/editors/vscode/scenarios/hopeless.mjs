// A program that ends at once is started five times, and then told of once.
import assert from 'node:assert/strict';
import { stays, until } from '../window.mjs';

export default async function (window) {
  await window.open('sample.py', 1);
  await until('the message', async () => (await window.messages()).some(message => message.includes('ended again and again')));
  await window.statusSays('error');
  assert.equal(window.read('starts').trim().split('\n').length, 5);
  await stays('one message and no more', async () => (await window.messages()).filter(message => /dsassist/.test(message)).length === 1);
}

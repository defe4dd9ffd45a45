// A model of some use completes a line as a person would; a picture of it stands in the extension's README.
import assert from 'node:assert/strict';

export default async function (window, { file, before, typed, model, expected }) {
  await window.open(file, 'last');
  await window.statusSays('ready', model);
  await window.press('Control+b'); // the side bar is of no interest
  await window.idle();
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.shot('ghost-text', 'readme');
  await window.press('Tab');
  await window.ghostGoes();
  await window.save(file);
  assert.ok(window.read(file).startsWith(before + typed + ghost.split('\n')[0]), window.read(file));
  assert.match(ghost, new RegExp(expected));
  return `${model} wrote: ${ghost}`;
}

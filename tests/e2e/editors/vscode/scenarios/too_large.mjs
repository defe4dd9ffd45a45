// A file that is too large gets no ghost text, and the status says why.
import { stays } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  await window.statusSays('off', 'above 4 MB');
  await stays('nothing is shown', async () => await window.ghost() === '');
}

// The last completion is explained beside the code: what was shown, and the prompt.
import { until } from '../window.mjs';

export default async function (window, { before, typed }) {
  await window.open('sample.py', before.split('\n').length);
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.command('dsassist: Explain the Last Completion');
  const lines = async () => (await window.lines()).join('\n');
  await until('the explanation', async () => (await lines()).includes('# The last completion'));
  await until('what was shown', async () => (await lines()).includes(ghost.trim()));
  await window.shot('explanation');
}

// The last completion is explained beside the code: what was shown, and the prompt.
import { claim } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('builtin');
  await window.type(typed);
  const ghost = await window.ghostComes();
  await window.command('dsassist: Explain the Last Completion');
  const text = async () => (await window.lines()).join('\n');
  await claim('the explanation', async () => (await text()).includes('# The last completion'));
  await claim('what was shown', async () => (await text()).includes(ghost.trim()));
}

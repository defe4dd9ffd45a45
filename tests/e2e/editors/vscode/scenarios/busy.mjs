// The status bar says how much of a model is loaded, and when a completion takes its time.
import { claim, until } from '../window.mjs';

const AGAIN_MS = 20_000;

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('ready', 'builtin');
  const seen = await window.watchStatus();
  const isTold = async () => (await seen()).some(text => /^dsassist \d+ %$/.test(text));
  let begunAt = 0;
  await claim('how much is loaded', async () => {
    // The session that ends may have the model loaded once more, and then there is nothing to load: so once more.
    if (Date.now() - begunAt > AGAIN_MS && !(await isTold())) {
      begunAt = Date.now();
      for (const pid of window.modelServers()) process.kill(pid, 'SIGKILL');
      await until('no model is loaded', () => window.engines().length === 0);
      await window.command('dsassist: Restart');
    }
    return isTold();
  });
  await window.statusSays('ready', 'builtin');

  await window.open(file, 'last');
  const [engine] = window.engines();
  process.kill(engine, 'SIGSTOP');
  try {
    await window.type(typed);
    await window.statusSays('busy', 'a completion is being written');
  } finally {
    process.kill(engine, 'SIGCONT');
  }
  await window.ghostComes();
  await window.statusSays('ready', 'builtin');
  return `the status bar: ${(await seen()).join(', ')}`;
}

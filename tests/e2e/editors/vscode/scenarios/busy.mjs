// The status bar says how much of a model is loaded, and when a completion takes its time.
import { claim, until } from '../window.mjs';

export default async function (window, { file, typed }) {
  await window.open(file, 'last');
  await window.statusSays('ready', 'builtin');
  const seen = await window.watchStatus();
  for (const pid of window.modelServers()) process.kill(pid, 'SIGKILL');
  await until('no model is loaded', () => window.engines().length === 0);
  await window.command('dsassist: Restart');
  await claim('how much is loaded', async () => (await seen()).some(text => /^dsassist \d+ %$/.test(text)));
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

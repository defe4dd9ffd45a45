// Has VS Code run the tests of in_extension_host/index.js, with its own API.
import assert from 'node:assert/strict';

export default async function (window, asked) {
  const log = [];
  await window.page.exposeFunction('codeAutomationLog', (type, args) => log.push(`${type} ${JSON.stringify(args)}`));
  const end = new Promise(resolve => window.page.exposeFunction('codeAutomationExit', resolve));
  await window.enter(asked);
  const code = await end;
  window.leave();
  const said = log.filter(line => /"(ok|failed): /.test(line)).join('\n');
  assert.equal(code, 0, said);
  return said;
}

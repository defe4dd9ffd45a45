// Runs inside VS Code's extension host, which calls `run`.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const vscode = require('vscode');

async function until(what, check, limitMs = 60_000) {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    const value = await check();
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`did not come about within ${limitMs / 1000} s: ${what}`);
}

const tests = {
  'every contributed command is there': async ({ packageJSON }) => {
    const known = new Set(await vscode.commands.getCommands(true));
    const missing = packageJSON.contributes.commands.map(each => each.command).filter(command => !known.has(command));
    assert.deepEqual(missing, []);
  },

  'the server registers its commands beside them': async () => {
    await until('the server runs', async () => (await vscode.commands.getCommands(true)).includes('dsassist.explainCompletion'));
    const status = await vscode.commands.executeCommand('dsassist.status');
    assert.equal(typeof status.kind, 'string');
  },

  'only what somebody set is sent, so that the repository can say the rest': async ({ exports }) => {
    const settings = exports.settings();
    assert.equal(settings['completion.temperature'], 0);
    assert.ok(!('completion.max_tokens' in settings), 'a default is not sent');
    assert.ok(!('path' in settings), 'the extension keeps its own setting to itself');
    const configuration = vscode.workspace.getConfiguration('dsassist');
    await configuration.update('completion.max_lines', 3, vscode.ConfigurationTarget.Workspace);
    assert.equal(exports.settings()['completion.max_lines'], 3);
    await configuration.update('completion.max_lines', undefined, vscode.ConfigurationTarget.Workspace);
    assert.ok(!('completion.max_lines' in exports.settings()));
  },

  'a file that the repository excludes is not completed, whatever the defaults in VS Code': async ({ exports }) => {
    await typeInto('excluded.py');
    await until('the status says so', () => exports.status().reason.includes('completion.exclude'));
  },

  'a completion is accepted by the command that Tab is bound to': async () => {
    const editor = await typeInto('sample.py');
    const typed = editor.document.getText();
    await until('accepted', async () => {
      await vscode.commands.executeCommand('dsassist.requestCompletion');
      await vscode.commands.executeCommand('editor.action.inlineSuggest.commit');
      return editor.document.getText().length > typed.length;
    });
    assert.ok(editor.document.getText().startsWith(typed.trimEnd()));
    assert.ok(await editor.document.save());
  },

  'a model that a workspace names is not taken': async () => {
    const settings = JSON.parse(fs.readFileSync(path.join(folder(), '.vscode', 'settings.json'), 'utf8'));
    assert.ok(settings['dsassist.model'], 'the workspace names one');
    assert.equal(vscode.workspace.getConfiguration('dsassist').get('model'), 'builtin');
  },

  'snoozing shows in the status, and ends': async ({ exports }) => {
    await vscode.commands.executeCommand('dsassist.snoozeFor', 5);
    await until('snoozed', () => exports.status().kind === 'snoozed');
    await vscode.commands.executeCommand('dsassist.endSnooze');
    await until('not snoozed', () => exports.status().kind !== 'snoozed');
  },

  'ten restarts at once are one, and the server answers after it': async ({ exports }) => {
    await Promise.all(Array.from({ length: 10 }, () => vscode.commands.executeCommand('dsassist.restart')));
    await until('ready', () => exports.status().kind === 'ready');
    await until('one server', () => fs.readdirSync('/proc').filter(isServerHere).length === 1);
  },
};

exports.run = async function () {
  const extension = vscode.extensions.getExtension('dsassist.dsassist');
  assert.ok(extension, 'the extension is installed');
  await extension.activate();
  await until('the model is loaded', () => extension.exports.status().model === 'builtin');
  const failed = [];
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(extension);
      console.log(`ok: ${name}`);
    } catch (error) {
      console.log(`failed: ${name}: ${error.message}`);
      failed.push(name);
    }
  }
  assert.deepEqual(failed, []);
};

function folder() {
  return vscode.workspace.workspaceFolders[0].uri.fsPath;
}

/** Opens a file and types a blank at the end of its last line that is not empty. */
async function typeInto(name) {
  const document = await vscode.workspace.openTextDocument(path.join(folder(), name));
  const editor = await vscode.window.showTextDocument(document);
  const end = document.lineAt(document.getText().trimEnd().split('\n').length - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  await vscode.commands.executeCommand('type', { text: ' ' });
  return editor;
}

function isServerHere(name) {
  try {
    const line = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
    return line.includes('lsp') && fs.readlinkSync(`/proc/${name}/cwd`) === folder();
  } catch {
    return false; // no process, or gone
  }
}

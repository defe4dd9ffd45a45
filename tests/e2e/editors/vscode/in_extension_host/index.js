// Runs inside VS Code's extension host, which calls `run`.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const vscode = require('vscode');

async function until(what, check, limitMs = 180_000) {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    const value = await check();
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`did not come about within ${limitMs / 1000} s: ${what}`);
}

const ALL = 'editor.action.inlineSuggest.commit';
const WORD = 'dsassist.acceptWord';
const LINE = 'dsassist.acceptLine';

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
    const editor = await typeInto('excluded.py');
    const typed = editor.document.getText();
    await vscode.commands.executeCommand('dsassist.requestCompletion');
    await until('the status says so', () => exports.status().reason.includes('completion.exclude'));
    for (const command of [WORD, LINE, ALL]) await vscode.commands.executeCommand(command);
    assert.equal(editor.document.getText(), typed);
  },

  'the command that Tab is bound to takes all of it, and undo takes it back': async () => {
    const editor = await typeInto('sample.py');
    const typed = editor.document.getText();
    await take(editor, ALL);
    assert.ok(editor.document.getText().startsWith(typed));
    assert.ok(await editor.document.save());
    assert.equal(onDisk(editor), editor.document.getText());
    await undo(editor, typed);
  },

  'a word is part of a line, and what is left is taken with it': async () => {
    const editor = await typeInto('parts.py');
    const typed = editor.document.getText();
    await take(editor, WORD);
    const withWord = editor.document.getText();
    assert.ok(withWord.startsWith(typed));
    await vscode.commands.executeCommand(LINE);
    await until('the line', () => editor.document.getText().length > withWord.length);
    assert.ok(editor.document.getText().startsWith(withWord));
  },

  'what is typed along stays the beginning of what is taken': async () => {
    const { editor, typed, whole } = await takenAndUndone('along.py');
    await vscode.commands.executeCommand('type', { text: whole[typed.length] });
    await take(editor, ALL);
    assert.equal(editor.document.getText(), whole);
  },

  'what differs leaves nothing of it': async () => {
    const { editor, typed, whole } = await takenAndUndone('differing.py');
    await vscode.commands.executeCommand('dsassist.requestCompletion');
    await vscode.commands.executeCommand('type', { text: 'ZQ' });
    await vscode.commands.executeCommand(ALL);
    assert.ok(editor.document.getText().startsWith(`${typed}ZQ`));
    assert.ok(!editor.document.getText().slice(typed.length).includes(whole.slice(typed.length)));
  },

  'brackets that the editor closed are closed once': async () => {
    const editor = await typeInto('brackets.py');
    await vscode.commands.executeCommand('type', { text: 'isinstance(' });
    const typed = editor.document.getText();
    assert.ok(typed.endsWith('()'), typed);
    await take(editor, ALL);
    const text = editor.document.getText();
    assert.equal(text.split('(').length, text.split(')').length, text);
  },

  'line ends of two characters and surrogate pairs stay what they are': async () => {
    const editor = await typeInto('odd.py');
    const typed = editor.document.getText();
    await take(editor, ALL);
    await editor.document.save();
    assert.ok(onDisk(editor).startsWith(typed), onDisk(editor));
    assert.ok(!/[^\r]\n/.test(onDisk(editor)));
  },

  'a file of 30,000 lines is completed at its end': async () => {
    const editor = await typeInto('long.py');
    const typed = editor.document.getText();
    await take(editor, ALL);
    assert.ok(editor.document.getText().startsWith(typed));
  },

  'a file that may not be changed is not changed, until it may be': async () => {
    const editor = await typeInto('locked.py');
    const typed = editor.document.getText();
    await vscode.commands.executeCommand('workbench.action.files.setActiveEditorReadonlyInSession');
    await vscode.commands.executeCommand('dsassist.requestCompletion');
    await vscode.commands.executeCommand(ALL);
    assert.equal(editor.document.getText(), typed);
    await vscode.commands.executeCommand('workbench.action.files.setActiveEditorWriteableInSession');
    await take(editor, ALL);
  },

  'the menu has no entry of ours, as the ghost text is there': async () => {
    const editor = await typeInto('menu.py');
    const list = await vscode.commands.executeCommand(
      'vscode.executeCompletionItemProvider', editor.document.uri, editor.selection.active);
    assert.deepEqual(list.items.filter(item => item.detail === 'dsassist'), []);
    await take(editor, ALL);
  },

  'a finding comes when the file is saved, and its quick fix takes it away': async () => {
    const document = await vscode.workspace.openTextDocument(path.join(folder(), 'repository', 'review.py'));
    const editor = await vscode.window.showTextDocument(document);
    const found = () => vscode.languages.getDiagnostics(document.uri).filter(each => each.source === 'dsassist');
    assert.deepEqual(found(), []);
    await editor.edit(edit => edit.insert(new vscode.Position(2, 0), '    breakpoint()\n'));
    await document.save();
    const [finding] = await until('a finding', () => found().length && found());
    assert.equal(finding.range.start.line, 2);
    const actions = await vscode.commands.executeCommand('vscode.executeCodeActionProvider', document.uri, finding.range);
    const ignore = actions.find(action => action.title.includes('Ignore'));
    assert.ok(await vscode.workspace.applyEdit(ignore.edit));
    await document.save();
    await until('no finding', () => found().length === 0);
    assert.match(document.getText(), /dsassist: ignore/);
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

  'a killed server is replaced, and completes': async ({ exports }) => {
    const servers = () => fs.readdirSync('/proc').filter(isServerHere).map(Number);
    const [killed] = servers();
    process.kill(killed, 'SIGKILL');
    await until('another server', () => servers().some(pid => pid !== killed));
    await until('ready', () => exports.status().kind === 'ready');
    await take(await typeInto('again.py'), ALL);
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

/** Asks for a completion, until the command has taken something of it. */
async function take(editor, command) {
  const before = editor.document.getText().length;
  await until('something is taken', async () => {
    await vscode.commands.executeCommand('dsassist.requestCompletion');
    await vscode.commands.executeCommand(command);
    return editor.document.getText().length > before;
  });
}

/** What the document becomes when a completion is taken; it was taken back. */
async function takenAndUndone(name) {
  const editor = await typeInto(name);
  const typed = editor.document.getText();
  await take(editor, ALL);
  const whole = editor.document.getText();
  await undo(editor, typed);
  return { editor, typed, whole };
}

/** Takes one edit back, after which the text is this. */
async function undo(editor, text) {
  await vscode.commands.executeCommand('undo');
  await until('it is undone', () => editor.document.getText() === text);
}

function onDisk(editor) {
  return fs.readFileSync(editor.document.uri.fsPath, 'utf8');
}

function isServerHere(name) {
  try {
    const line = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
    return line.includes('lsp') && fs.readlinkSync(`/proc/${name}/cwd`) === folder();
  } catch {
    return false; // no process, or gone
  }
}

/**
 * The extension's commands.
 *
 * The server's own (`dsassist.snooze`, `dsassist.explain` ...) are registered by the language client under their names
 * while it runs, so these have others.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { ExecuteCommandRequest } from 'vscode-languageclient/node';
import type { Explanation, ExplanationDocument } from './explanation';
import type { Found } from './find';
import type { Help } from './help';
import { showMenu } from './menu';
import type { Server } from './server';
import { showStatistics } from './statistics';
import type { StatusBar } from './status';
import { runInTerminal } from './tasks';

const MINUTES = [5, 15, 30, 60, 240];

export interface Parts {
  server: Server;
  status: StatusBar;
  help: Help;
  explanation: ExplanationDocument;
  log: vscode.LogOutputChannel;
  find(): Found;
}

type Command = (...args: unknown[]) => unknown;

export function registerCommands(parts: Parts): vscode.Disposable[] {
  const { server, status, help, log } = parts;
  const commands: { [name: string]: Command } = {
    requestCompletion: editorCommand('editor.action.inlineSuggest.trigger'),
    acceptWord: editorCommand('editor.action.inlineSuggest.acceptNextWord'),
    acceptLine: editorCommand('editor.action.inlineSuggest.acceptNextLine'),
    nextCompletion: editorCommand('editor.action.inlineSuggest.showNext'),
    previousCompletion: editorCommand('editor.action.inlineSuggest.showPrevious'),
    snoozeFor: minutes => snooze(server, minutes),
    endSnooze: () => ask(server, 'dsassist.unsnooze'),
    toggle,
    showMenu: () => showMenu(status.now),
    showLog: () => log.show(),
    showLastCompletion: () => showLastCompletion(parts),
    showStatistics: () => withProgram(parts, showStatistics),
    reviewThisFile: () => reviewThisFile(parts),
    reviewStaged: () => withProgram(parts, program => runInTerminal('review what is staged', program, ['review'], repositoryInUse())),
    takeBackDismissal: () => ask(server, 'dsassist.undoDismissal'),
    explainCode: () => askAboutCode(server, 'dsassist.explain'),
    documentCode: () => askAboutCode(server, 'dsassist.writeDocstring'),
    testCode: () => askAboutCode(server, 'dsassist.writeTest'),
    restart: () => server.restart(),
    getStarted: () => help.openWalkthrough(),
    chooseProgram: () => help.chooseProgram(),
    install: () => help.install(),
  };
  return Object.entries(commands).map(([name, command]) =>
    vscode.commands.registerCommand(`dsassist.${name}`, (...args: unknown[]) => spoken(log, () => command(...args))));
}

/** The boundary of a command: what goes wrong becomes a sentence on the screen, and stands in the log. */
async function spoken(log: vscode.LogOutputChannel, command: () => unknown): Promise<unknown> {
  try {
    return await command();
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    log.error(sentence);
    void vscode.window.showErrorMessage(`dsassist: ${sentence}`);
    return undefined;
  }
}

function editorCommand(name: string): Command {
  return () => vscode.commands.executeCommand(name);
}

async function ask(server: Server, command: string, ...args: unknown[]): Promise<unknown> {
  if (!server.client?.isRunning()) throw new Error('the server is not running; the command "dsassist: Restart" starts it');
  return server.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args });
}

async function snooze(server: Server, minutes: unknown): Promise<void> {
  const wanted = typeof minutes === 'number' ? minutes : await chosenMinutes();
  if (wanted !== undefined) await ask(server, 'dsassist.snooze', wanted);
}

async function chosenMinutes(): Promise<number | undefined> {
  const entries = MINUTES.map(minutes => ({ label: minutes < 60 ? `${minutes} minutes` : `${minutes / 60} h`, minutes }));
  return (await vscode.window.showQuickPick(entries, { title: 'dsassist: show nothing for' }))?.minutes;
}

/** Switch completions in the workspace's settings where they say something of it, else in the user's. */
async function toggle(): Promise<void> {
  const configuration = vscode.workspace.getConfiguration('dsassist');
  const isInWorkspace = configuration.inspect('completion.enabled')?.workspaceValue !== undefined;
  const target = isInWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  const isOn = !configuration.get<boolean>('completion.enabled', true);
  await configuration.update('completion.enabled', isOn, target);
  vscode.window.setStatusBarMessage(`dsassist: completions are ${isOn ? 'on' : 'off'}`, 3000);
}

async function showLastCompletion({ server, explanation }: Parts): Promise<void> {
  const last = (await ask(server, 'dsassist.explainCompletion')) as Explanation | null;
  if (last) await explanation.show(last);
  else void vscode.window.showInformationMessage('dsassist: nothing was completed in this window yet.');
}

async function reviewThisFile(parts: Parts): Promise<void> {
  const document = activeEditor().document;
  const { client } = parts.server;
  if (client?.offers('dsassist.reviewFile')) {
    await ask(parts.server, 'dsassist.reviewFile', { uri: client.code2ProtocolConverter.asUri(document.uri) });
    return;
  }
  await document.save();
  await withProgram(parts, program => runInTerminal('review this file', program, ['review', document.uri.fsPath], path.dirname(document.uri.fsPath)));
}

async function askAboutCode(server: Server, command: string): Promise<void> {
  const { document, selection } = activeEditor();
  const converter = server.client?.code2ProtocolConverter;
  const place = converter && { uri: converter.asUri(document.uri), range: converter.asRange(selection), version: document.version };
  await ask(server, command, place);
}

async function withProgram(parts: Parts, work: (program: string) => unknown): Promise<void> {
  const found = parts.find();
  if ('program' in found) {
    await work(found.program);
  } else {
    parts.help.forget(); // who asks is told again
    await parts.help.missing(found.problem);
  }
}

function activeEditor(): vscode.TextEditor {
  const editor = vscode.window.activeTextEditor;
  if (!editor) throw new Error('open a file first');
  return editor;
}

/** The root of the repository that the file in front lies in, above or below the workspace's folder; else that folder. */
function repositoryInUse(): string | undefined {
  const document = vscode.window.activeTextEditor?.document;
  const folder = (document && vscode.workspace.getWorkspaceFolder(document.uri)) ?? vscode.workspace.workspaceFolders?.[0];
  const above = document?.uri.scheme === 'file' ? foldersAbove(document.uri.fsPath) : [];
  return above.find(each => fs.existsSync(path.join(each, '.git'))) ?? folder?.uri.fsPath;
}

function foldersAbove(file: string): string[] {
  const folder = path.dirname(file);
  return folder === file ? [] : [folder, ...foldersAbove(folder)];
}

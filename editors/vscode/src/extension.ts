/** Wires the parts together, and lets go of them. */
import * as os from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { registerCommands } from './commands';
import { ExplanationDocument } from './explanation';
import { type Found, findProgram } from './find';
import { Help } from './help';
import { Server } from './server';
import { optionKeys, settingsOf } from './settings';
import { problem, STARTED, STARTING, type Status, StatusBar } from './status';

/** For tests and other extensions. */
export interface Api {
  status(): Status;
  /** What is sent to the server, by option. */
  settings(): { [key: string]: unknown };
}

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): Api {
  const log = vscode.window.createOutputChannel('dsassist', { log: true });
  const ownEnvironment = path.join(context.globalStorageUri.fsPath, 'venv');
  const status = new StatusBar();
  const help = new Help(ownEnvironment);
  const explanation = new ExplanationDocument();
  const keys = optionKeys(context.extension.packageJSON);
  const find = (): Found => findProgram(places(ownEnvironment));
  const running = new Server({
    log,
    find,
    settings: () => settingsOf(keys),
    onStatus: now => {
      status.show(now);
      if (now.kind === 'ready') help.forget();
    },
    onStarted: () => {
      if (status.now === STARTING) status.show(STARTED);
    },
    onMissing: sentence => {
      log.error(sentence);
      status.show(problem(sentence));
      void help.missing(sentence);
    },
    onGivenUp: () => {
      status.show(problem('the server ended again and again'));
      void help.givenUp();
    },
  });
  server = running;
  context.subscriptions.push(
    log,
    status,
    explanation,
    ...registerCommands({ server: running, status, help, explanation, log, find }),
    vscode.workspace.onDidChangeConfiguration(event => void settingsChanged(event, running)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void running.restart()),
  );
  void running.restart();
  return { status: () => status.now, settings: () => Object.fromEntries(settingsOf(keys)) };
}

export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}

function places(ownEnvironment: string): Parameters<typeof findProgram>[0] {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(folder => folder.uri.scheme === 'file');
  return {
    setting: vscode.workspace.getConfiguration('dsassist').get('path', ''),
    folders: vscode.workspace.isTrusted ? folders.map(folder => folder.uri.fsPath) : [],
    searchPath: process.env.PATH ?? '',
    home: os.homedir(),
    ownEnvironment,
  };
}

async function settingsChanged(event: vscode.ConfigurationChangeEvent, running: Server): Promise<void> {
  if (event.affectsConfiguration('dsassist.path')) await running.restart();
  else if (event.affectsConfiguration('dsassist')) await running.settingsChanged();
}

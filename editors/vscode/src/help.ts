/** What a person is told and offered when there is no `dsassist`, or when it does not stay up: one message each. */
import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { runInTerminal } from './tasks';

const WALKTHROUGH = 'dsassist.dsassist#start';

/** Its arguments are the virtual environment to make and the folder with the sources. */
const INSTALL = 'python3 -m venv "$1" && "$1/bin/pip" install --disable-pip-version-check "$2"';

export class Help {
  private readonly said = new Set<string>();

  constructor(private readonly ownEnvironment: string) {}

  /** Nothing is wrong any more: the next problem is news. */
  forget(): void {
    this.said.clear();
  }

  async missing(problem: string): Promise<void> {
    const [how, choose] = ['How to Install', 'Choose Program…'];
    const answer = await this.once(`${problem}. Completions come from it; install it, or say where it is.`, how, choose);
    if (answer === how) await this.openWalkthrough('install');
    if (answer === choose) await this.chooseProgram();
  }

  async givenUp(): Promise<void> {
    const [log, again] = ['Show Log', 'Try Again'];
    const answer = await this.once('the server ended again and again, and was not started any more. The log says why.', log, again);
    if (answer === log) await vscode.commands.executeCommand('dsassist.showLog');
    if (answer === again) await vscode.commands.executeCommand('dsassist.restart');
  }

  /** At a step, else at the first that was not taken yet. */
  async openWalkthrough(step?: string): Promise<void> {
    const at = step ? { category: WALKTHROUGH, step: `${WALKTHROUGH}#${step}` } : WALKTHROUGH;
    await vscode.commands.executeCommand('workbench.action.openWalkthrough', at, false);
  }

  /** Ask for the program, and keep it in the user's settings. */
  async chooseProgram(): Promise<void> {
    const chosen = await vscode.window.showOpenDialog({ title: 'Where is the program dsassist?', openLabel: 'Use' });
    const program = chosen?.[0]?.fsPath;
    if (!program) return;
    const version = await versionOf(program);
    if (!version) {
      void vscode.window.showErrorMessage(`dsassist: ${program} is not dsassist; choose the file of that name in the environment's folder bin.`);
      return;
    }
    await vscode.workspace.getConfiguration('dsassist').update('path', program, vscode.ConfigurationTarget.Global);
  }

  /** Install dsassist from its sources into an environment of this extension's; the terminal shows how it goes. */
  async install(): Promise<void> {
    const chosen = await vscode.window.showOpenDialog({
      title: 'The folder with the sources of dsassist', openLabel: 'Install', canSelectFolders: true, canSelectFiles: false,
    });
    const sources = chosen?.[0]?.fsPath;
    if (!sources) return;
    if (!fs.existsSync(path.join(sources, 'assistant', 'dsassist'))) {
      void vscode.window.showErrorMessage(`dsassist: ${sources} does not hold the sources of dsassist; clone them first, and choose the clone.`);
      return;
    }
    const code = await runInTerminal('install dsassist', '/bin/sh', ['-c', INSTALL, 'sh', this.ownEnvironment, sources]);
    if (code === 0) await vscode.commands.executeCommand('dsassist.restart');
    else void vscode.window.showErrorMessage('dsassist: the installation failed; the terminal says why.');
  }

  private async once(sentence: string, ...answers: string[]): Promise<string | undefined> {
    if (this.said.has(sentence)) return undefined;
    this.said.add(sentence);
    return vscode.window.showWarningMessage(`dsassist: ${sentence}`, ...answers);
  }
}

async function versionOf(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
    return /^dsassist (\S+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

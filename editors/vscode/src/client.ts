/** One connection to one server process: what is asked of the library, and the process that it talks to. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type * as vscode from 'vscode';
import { CloseAction, ErrorAction, LanguageClient, RevealOutputChannelOn } from 'vscode-languageclient/node';
import { nested } from './settings';

const PATIENCE_MS = 2000;

const DOCUMENTS = [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }];

/** Writes the library's errors to the log alone: what a person is told of a failure, `server.ts` decides, once. */
export class Client extends LanguageClient {
  private child: ChildProcess | undefined;

  constructor(
    program: string,
    folder: string,
    log: vscode.LogOutputChannel,
    settings: ReadonlyMap<string, unknown>,
    onClosed: () => void,
  ) {
    super('dsassist', 'dsassist', async () => this.launch(program, folder), {
      documentSelector: DOCUMENTS,
      outputChannel: log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: nested(settings),
      // The library would show the error, and then fail to stop what has not started.
      initializationFailedHandler: error => { throw error; },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          onClosed();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    });
  }

  /** Whether the server has a command. */
  offers(command: string): boolean {
    return this.initializeResult?.capabilities.executeCommandProvider?.commands.includes(command) ?? false;
  }

  /** Stop the server, and see to it that its process ends, if not by itself. */
  async end(): Promise<void> {
    try {
      await this.stop();
    } catch {
      // It does not answer, or it never ran.
    }
    setTimeout(() => this.child?.kill(), PATIENCE_MS).unref();
  }

  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  private async launch(program: string, folder: string): Promise<ChildProcess> {
    const child = spawn(program, ['lsp'], { cwd: folder });
    this.child = child;
    await once(child, 'spawn'); // rejects with the error when it cannot be started
    child.on('error', error => this.error('The server process failed.', error));
    return child;
  }
}

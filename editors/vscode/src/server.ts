/** The language server of this window: found, started, started again after a crash, stopped; one change at a time. */
import * as os from 'node:os';
import * as vscode from 'vscode';
import { Client } from './client';
import type { Found } from './find';
import { nested } from './settings';
import { STARTING, type Status } from './status';

const CRASHES_WITHIN_MS = 3 * 60_000;
const MOST_RESTARTS = 4;
const FIRST_PAUSE_MS = 500;

/** What the server needs to know, and whom it tells. */
export interface Surroundings {
  log: vscode.LogOutputChannel;
  find(): Found;
  settings(): Map<string, unknown>;
  onStatus(status: Status): void;
  /** It has answered. */
  onStarted(): void;
  /** There is no program to start. */
  onMissing(problem: string): void;
  /** It crashed too often, and is not started again. */
  onGivenUp(): void;
}

export class Server {
  /** The connection, while there is one. */
  client: Client | undefined;
  private startedWith: Map<string, unknown> = new Map();
  private crashes: number[] = [];
  private pause: NodeJS.Timeout | undefined;
  private work: Promise<void> = Promise.resolve();
  private isQueued = false;
  private isStopped = false;

  constructor(private readonly surroundings: Surroundings) {}

  /** Start it, anew if it runs. What asks for it while one waits gets that one. */
  restart(): Promise<void> {
    this.crashes = [];
    return this.enqueue();
  }

  /** Stop it for good. */
  stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.pause);
    this.work = this.work.then(() => this.end());
    return this.work;
  }

  /** Tell it the settings as they are now. */
  async settingsChanged(): Promise<void> {
    const settings = this.surroundings.settings();
    // What was given at the start holds wherever a later message is silent.
    const hasVanished = [...this.startedWith.keys()].some(key => !settings.has(key));
    if (hasVanished) await this.restart();
    else await this.client?.sendNotification('workspace/didChangeConfiguration', { settings: { dsassist: nested(settings) } });
  }

  private enqueue(): Promise<void> {
    clearTimeout(this.pause);
    if (!this.isQueued && !this.isStopped) {
      this.isQueued = true;
      this.work = this.work.then(async () => {
        this.isQueued = false;
        await this.end();
        if (!this.isStopped) await this.start();
      });
    }
    return this.work;
  }

  private async start(): Promise<void> {
    const found = this.surroundings.find();
    if ('problem' in found) {
      this.surroundings.onMissing(found.problem);
      return;
    }
    const { log } = this.surroundings;
    log.info(`starting ${found.program} lsp`);
    this.surroundings.onStatus(STARTING);
    this.startedWith = this.surroundings.settings();
    const folder = vscode.workspace.workspaceFolders?.find(each => each.uri.scheme === 'file')?.uri.fsPath ?? os.homedir();
    const client: Client = new Client(found.program, folder, log, this.startedWith, () => this.lost(client));
    client.onNotification('dsassist/status', (status: Status) => this.surroundings.onStatus(status));
    this.client = client;
    try {
      await client.start();
      this.surroundings.onStarted();
    } catch (error) {
      log.error(`the server did not start: ${error instanceof Error ? error.message : String(error)}`);
      this.lost(client);
    }
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.end();
  }

  /** A connection broke that nobody ended. */
  private lost(client: Client): void {
    if (client !== this.client) return;
    this.client = undefined;
    void client.end();
    const now = Date.now();
    this.crashes = [...this.crashes.filter(time => now - time < CRASHES_WITHIN_MS), now];
    if (this.crashes.length > MOST_RESTARTS) {
      this.surroundings.onGivenUp();
      return;
    }
    this.surroundings.onStatus(STARTING);
    this.pause = setTimeout(() => void this.enqueue(), FIRST_PAUSE_MS * 2 ** (this.crashes.length - 1));
  }
}

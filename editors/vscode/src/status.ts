/** The state of the server, in the status bar. */
import * as vscode from 'vscode';

/** What `dsassist/status` says, and this extension while there is no server to say it. */
export interface Status {
  kind: string;
  message: string;
  model: string;
  percent: number | null;
  latencyMs: number | null;
  reason: string;
  hints: string[];
  reviewing?: string;
}

const NOTHING: Status = { kind: '', message: '', model: '', percent: null, latencyMs: null, reason: '', hints: [] };

export const STARTING: Status = { ...NOTHING, kind: 'starting', message: 'the server is starting' };

/** The server says nothing of itself until a model is loaded or something is asked of it. */
export const STARTED: Status = { ...NOTHING, kind: 'started', message: 'the server runs, and no model is loaded yet' };

export function problem(message: string): Status {
  return { ...NOTHING, kind: 'error', message };
}

/** A server that is newer than this extension may be in states that are not listed: they look like `ready`. */
const ICONS: { [kind: string]: string } = {
  starting: 'loading~spin',
  started: 'circle-outline',
  loading: 'loading~spin',
  busy: 'sync~spin',
  ready: 'sparkle',
  off: 'circle-slash',
  snoozed: 'bell-slash',
  error: 'warning',
};

export class StatusBar implements vscode.Disposable {
  now: Status = STARTING;
  private readonly item = vscode.window.createStatusBarItem('dsassist.status', vscode.StatusBarAlignment.Right, 100);

  constructor() {
    this.item.name = 'dsassist';
    this.item.command = 'dsassist.showMenu';
    this.show(STARTING);
    this.item.show();
  }

  show(status: Status): void {
    this.now = status;
    this.item.text = `$(${ICONS[status.kind] ?? 'sparkle'}) ${label(status)}`;
    this.item.tooltip = tooltip(status);
    this.item.accessibilityInformation = { label: ['dsassist', status.kind, status.message, status.model].filter(Boolean).join(', ') };
    this.item.backgroundColor = status.kind === 'error' ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  }

  dispose(): void {
    this.item.dispose();
  }
}

function label(status: Status): string {
  if (status.kind === 'loading' && status.percent !== null) return `dsassist ${status.percent} %`;
  return status.kind === 'error' ? 'dsassist' : shortName(status.model) || 'dsassist';
}

/** A model's name without what all names of files have in common. */
export function shortName(model: string): string {
  return model.replace(/\.gguf$/, '');
}

function tooltip(status: Status): vscode.MarkdownString {
  const text = new vscode.MarkdownString(`**dsassist**: ${status.kind}\n\n`);
  const lines = [status.percent === null ? status.message : `${status.message}: ${status.percent} %`];
  if (status.reviewing) lines.push(`Reviewing ${status.reviewing}.`);
  if (status.model) lines.push(`Model: ${status.model}`);
  if (status.latencyMs !== null) lines.push(`The last completion took ${status.latencyMs} ms.`);
  if (status.reason && status.reason !== status.message) lines.push(`Nothing was shown: ${status.reason}`);
  lines.push(...status.hints);
  for (const line of lines.filter(Boolean)) text.appendText(line).appendMarkdown('\n\n');
  return text;
}

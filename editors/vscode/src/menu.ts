/** What a click on the status bar offers. */
import * as vscode from 'vscode';
import { shortName, type Status } from './status';

interface Entry extends vscode.QuickPickItem {
  command: string;
  arguments?: unknown[];
}

export async function showMenu(status: Status): Promise<void> {
  const chosen = await vscode.window.showQuickPick(entries(status), {
    title: 'dsassist',
    placeHolder: status.message || [status.kind, shortName(status.model)].filter(Boolean).join(': '),
  });
  if (chosen) await vscode.commands.executeCommand(chosen.command, ...(chosen.arguments ?? []));
}

function entries(status: Status): Entry[] {
  const isSnoozed = status.kind === 'snoozed';
  return [
    ...(status.kind === 'error' ? [
      { label: '$(warning) What is wrong', detail: status.message, command: 'dsassist.showLog' },
      { label: '$(book) How to get started', command: 'dsassist.getStarted' },
    ] : []),
    isSnoozed
      ? { label: '$(bell) End the snooze', command: 'dsassist.endSnooze' }
      : { label: '$(bell-slash) Snooze for 30 minutes', command: 'dsassist.snoozeFor', arguments: [30] },
    { label: '$(circle-slash) Turn completions on or off', command: 'dsassist.toggle' },
    { label: '$(question) Explain the last completion', command: 'dsassist.showLastCompletion' },
    { label: '$(eye) Review this file', command: 'dsassist.reviewThisFile' },
    { label: '$(git-commit) Review what is staged', command: 'dsassist.reviewStaged' },
    { label: '$(graph) Statistics', command: 'dsassist.showStatistics' },
    { label: '$(gear) Settings', command: 'workbench.action.openSettings', arguments: ['@ext:dsassist.dsassist'] },
    { label: '$(output) Log', command: 'dsassist.showLog' },
    { label: '$(debug-restart) Restart the server', command: 'dsassist.restart' },
  ];
}

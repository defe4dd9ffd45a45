/** A program in the terminal panel, where its output stays to be read, with links to the places that it names. */
import * as vscode from 'vscode';

/** Runs it to its end; its exit code, or undefined when it was ended by hand. */
export async function runInTerminal(name: string, program: string, args: string[], cwd?: string): Promise<number | undefined> {
  const execution = new vscode.ProcessExecution(program, args, cwd ? { cwd } : {});
  const task = new vscode.Task({ type: 'process' }, vscode.TaskScope.Workspace, name, 'dsassist', execution);
  task.presentationOptions = { clear: true, showReuseMessage: false };
  const ended = new Promise<number | undefined>(resolve => {
    const listener = vscode.tasks.onDidEndTaskProcess(event => {
      if (event.execution.task.name !== name || event.execution.task.source !== task.source) return;
      listener.dispose();
      resolve(event.exitCode);
    });
  });
  await vscode.tasks.executeTask(task);
  return ended;
}

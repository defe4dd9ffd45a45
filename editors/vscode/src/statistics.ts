/** The page of `dsassist stats --html`, in a tab. It has no script and loads nothing. */
import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';

export async function showStatistics(program: string): Promise<void> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'dsassist-'));
  try {
    const page = path.join(folder, 'stats.html');
    await promisify(execFile)(program, ['stats', '--html', page], { timeout: 60_000 });
    const panel = vscode.window.createWebviewPanel('dsassist.statistics', 'dsassist: Statistics', vscode.ViewColumn.Active, {
      enableScripts: false, localResourceRoots: [],
    });
    panel.webview.html = await fs.readFile(page, 'utf8');
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

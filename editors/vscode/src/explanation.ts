/** The last completion, as a read-only document: its prompt, what the model wrote, and what was shown of it. */
import * as vscode from 'vscode';

const SCHEME = 'dsassist';

/** A part of another file: what chose it (`imports`, `names`, `recent`, `similar`) and its first line there. */
export interface Snippet {
  path: string;
  text: string;
  source?: string;
  line?: number;
}

/** What the server's `dsassist.explainCompletion` answers. A server of another version may leave out some of it. */
export interface Explanation {
  path?: string;
  line?: number;
  column?: number;
  model?: string;
  prompt?: { prefix?: string; suffix?: string; begun?: string; snippets?: Snippet[]; is_wide?: boolean };
  raw?: string;
  offer?: { text: string; probability?: number } | null;
  reason?: string;
  latency_ms?: number;
}

export class ExplanationDocument implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  private text = '';
  readonly onDidChange = this.changed.event;

  provideTextDocumentContent(): string {
    return this.text;
  }

  async show(explanation: Explanation): Promise<void> {
    this.text = explanationText(explanation);
    const uri = vscode.Uri.from({ scheme: SCHEME, path: 'last completion.md' });
    this.changed.fire(uri);
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.Beside, preview: true });
  }

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }
}

export function explanationText(explanation: Explanation): string {
  const { prompt, offer } = explanation;
  const took = explanation.latency_ms === undefined ? '' : `, ${Math.round(explanation.latency_ms)} ms`;
  const shown = offer
    ? part(`Shown${offer.probability === undefined ? '' : ` (probability of its first line: ${offer.probability.toFixed(2)})`}`, offer.text)
    : `## Nothing was shown\n\n${explanation.reason ?? ''}\n`;
  return [
    '# The last completion\n',
    `${explanation.path ?? ''}:${explanation.line ?? ''}:${explanation.column ?? ''}, ${explanation.model ?? ''}${took}\n`,
    shown,
    part('What the model wrote', explanation.raw),
    ...(prompt?.snippets ?? []).map(snippet => part(`Prompt: from ${origin(snippet)}`, snippet.text)),
    part(`Prompt: above the cursor${prompt?.is_wide ? ' (wide)' : ''}`, prompt?.prefix),
    part('Prompt: below the cursor', prompt?.suffix),
    part('Prompt: the lines that the model goes on with', prompt?.begun),
  ].filter(Boolean).join('\n');
}

function origin({ path, line, source }: Snippet): string {
  return `${path}${line === undefined ? '' : `:${line}`}${source ? ` (${source})` : ''}`;
}

/** A heading and a block; its fence is longer than any in the text. */
function part(title: string, text: string | undefined): string {
  if (!text) return '';
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), run => run[0].length));
  const fence = '`'.repeat(longest + 1);
  return `## ${title}\n\n${fence}\n${text.replace(/\n$/, '')}\n${fence}\n`;
}

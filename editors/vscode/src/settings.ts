/**
 * The options that somebody set in VS Code, as the server takes them.
 *
 * Only those: VS Code knows a default for each, and a default that is sent would win over the repository's
 * `dsassist.toml`.
 */
import * as vscode from 'vscode';

/** Settings that are the extension's own; the server does not know them. */
const OWN = new Set(['path']);

/** Nested as in the configuration file: `{ completion: { temperature: 0.2 } }`. */
export type Settings = { [key: string]: unknown };

/** The keys of the options, "completion.temperature", out of this extension's package.json. */
export function optionKeys(packageJson: { contributes: { configuration: { properties: object }[] } }): string[] {
  return packageJson.contributes.configuration
    .flatMap(section => Object.keys(section.properties))
    .map(key => key.replace(/^dsassist\./, ''))
    .filter(key => !OWN.has(key));
}

/** What is set, by key. */
export function settingsOf(keys: readonly string[]): Map<string, unknown> {
  const configuration = vscode.workspace.getConfiguration('dsassist');
  const found = new Map<string, unknown>();
  for (const key of keys) {
    const values = configuration.inspect(key);
    const value = values?.workspaceValue ?? values?.globalValue;
    if (value !== undefined) found.set(key, value);
  }
  return found;
}

export function nested(settings: ReadonlyMap<string, unknown>): Settings {
  const all: Settings = {};
  for (const [key, value] of settings) {
    const names = key.split('.');
    const last = names.pop() as string;
    let section = all;
    for (const name of names) section = (section[name] ??= {}) as Settings;
    section[last] = value;
  }
  return all;
}

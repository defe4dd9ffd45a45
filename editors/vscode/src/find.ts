/**
 * Where the `dsassist` program is: the setting, the workspace's virtual environment, the PATH, and where installers
 * put programs. Knows nothing of VS Code, which hands in the places.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';

export interface Places {
  /** `dsassist.path`; empty when it is left to us. */
  setting: string;
  /** The workspace's folders, the first first; none where the workspace is not trusted, as it may hold any program. */
  folders: readonly string[];
  searchPath: string;
  home: string;
  /** The virtual environment that the command "Install" makes. */
  ownEnvironment: string;
}

/** The program, or a sentence on what is wrong. */
export type Found = { program: string } | { problem: string };

export function findProgram(places: Places): Found {
  const setting = places.setting.trim();
  if (setting) {
    const program = expand(setting, places);
    return isProgram(program) ? { program } : { problem: `the setting dsassist.path names ${program}, which is no program` };
  }
  const program = candidates(places).find(isProgram);
  return program ? { program } : { problem: 'the program dsassist was not found' };
}

function candidates(places: Places): string[] {
  return [
    ...places.folders.map(folder => path.join(folder, '.venv', 'bin', 'dsassist')),
    ...places.searchPath.split(path.delimiter).filter(Boolean).map(folder => path.join(folder, 'dsassist')),
    // A VS Code that was not started from a terminal may lack this one in its PATH; pipx and uv install there.
    path.join(places.home, '.local', 'bin', 'dsassist'),
    path.join(places.ownEnvironment, 'bin', 'dsassist'),
  ];
}

function expand(setting: string, places: Places): string {
  const folder = places.folders[0] ?? places.home;
  const expanded = setting.replace(/^~(?=\/|$)/, places.home).replaceAll('${workspaceFolder}', folder);
  return path.resolve(folder, expanded);
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

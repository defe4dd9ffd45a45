// Which program is started, of those that are there. `node --test find.test.mjs`, with the extension's folder in EXTENSION.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const { findProgram } = await import(pathToFileURL(path.join(process.env.EXTENSION, 'src', 'find.ts')).href);
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'find-'));
after(() => fs.rmSync(root, { recursive: true }));

const inSetting = program('elsewhere/dsassist-main');
const inWorkspace = program('second/.venv/bin/dsassist');
const onPath = program('usr/bin/dsassist');
const inHome = program('home/.local/bin/dsassist');
const ours = program('own/bin/dsassist');

function program(name) {
  const file = path.join(root, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, '#!/bin/sh\n', { mode: 0o755 });
  return file;
}

function places(changed = {}) {
  return {
    setting: '',
    folders: [path.join(root, 'first'), path.join(root, 'second')],
    searchPath: [path.join(root, 'nowhere'), path.dirname(onPath)].join(path.delimiter),
    home: path.join(root, 'home'),
    ownEnvironment: path.join(root, 'own'),
    ...changed,
  };
}

test('the setting wins over all that is found', () => {
  assert.deepEqual(findProgram(places({ setting: inSetting })), { program: inSetting });
});

test('the setting may use the home directory and the first workspace folder', () => {
  assert.deepEqual(findProgram(places({ setting: '~/.local/bin/dsassist' })), { program: inHome });
  assert.deepEqual(findProgram(places({ setting: '${workspaceFolder}/../elsewhere/dsassist-main' })), { program: inSetting });
});

test('a setting that names no program is an error, and nothing else is started in its place', () => {
  assert.match(findProgram(places({ setting: '/nowhere/dsassist' })).problem, /dsassist\.path names \/nowhere\/dsassist/);
  assert.match(findProgram(places({ setting: root })).problem, /no program/);
});

test("then come any folder's virtual environment, the PATH, the home directory and the extension's own", () => {
  assert.deepEqual(findProgram(places()), { program: inWorkspace });
  assert.deepEqual(findProgram(places({ folders: [] })), { program: onPath });
  assert.deepEqual(findProgram(places({ folders: [], searchPath: '' })), { program: inHome });
  assert.deepEqual(findProgram(places({ folders: [], searchPath: '', home: root })), { program: ours });
});

test('a file that may not be run is no program', () => {
  fs.chmodSync(inWorkspace, 0o644);
  assert.deepEqual(findProgram(places()), { program: onPath });
  fs.chmodSync(inWorkspace, 0o755);
});

test('nothing at all is a sentence', () => {
  const found = findProgram(places({ folders: [], searchPath: '', home: root, ownEnvironment: root }));
  assert.match(found.problem, /not found/);
});

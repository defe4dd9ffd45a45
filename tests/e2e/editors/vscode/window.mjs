// A window of VS Code, in the words of the scenarios.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

export const WAIT_MS = 100_000; // for what takes a second, on a machine that does much else

/** Polls until `check()` is true, and returns its value. */
export async function until(what, check, limitMs = WAIT_MS) {
  const end = Date.now() + limitMs;
  let last;
  while (Date.now() < end) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error.message;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`did not come about within ${limitMs / 1000} s: ${what}; at last: ${last}`);
}

/** `check()` stays true for a while. */
export async function stays(what, check, forMs = 1500) {
  const end = Date.now() + forMs;
  do {
    assert.ok(await check(), what);
    await new Promise(resolve => setTimeout(resolve, 100));
  } while (Date.now() < end);
}

export class Window {
  #given;
  #outside = new Set();

  constructor(page, given) {
    this.page = page;
    this.#given = given;
    page.on('request', request => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http') && url.hostname !== '127.0.0.1') this.#outside.add(url.origin);
    });
  }

  /** Open the workspace with a file in front, its cursor at the end of a line (from 1), or of the file: "last". */
  async open(file, line) {
    await this.load([['openFile', this.remote(file)]]);
    await until('the editor is open', async () => await this.page.locator('.editor-instance .view-line').count() > 0);
    await this.goTo(line);
  }

  async load(payload) {
    const { port, workspace, workspaceFile } = this.#given;
    const opened = workspaceFile ? { workspace: workspaceFile } : { folder: workspace };
    const query = new URLSearchParams({ ...opened, payload: JSON.stringify(payload) });
    await this.page.goto(`http://127.0.0.1:${port}/?${query}`, { waitUntil: 'domcontentloaded', timeout: WAIT_MS });
  }

  async goTo(line) {
    await this.page.locator('.editor-instance .view-lines').first().click();
    await this.press(line === 'last' ? 'Control+End' : 'Control+Home');
    for (let at = 1; at < line; at++) await this.press('ArrowDown');
    await this.press('End');
  }

  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  async type(text) {
    await this.page.keyboard.type(text, { delay: 25 });
  }

  /** A command by its title, out of the palette. */
  async command(title) {
    await this.press('F1');
    await this.page.locator('.quick-input-widget input').first().waitFor();
    await this.type(title);
    await until(`the command ${title}`, async () => (await this.entries()).some(entry => entry.includes(title)));
    await this.press('Enter');
  }

  /** The entries of the list that is open at the top. */
  async entries() {
    return this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row').allTextContents();
  }

  async choose(part) {
    await until(`the entry ${part}`, async () => (await this.entries()).some(entry => entry.includes(part)));
    await this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row', { hasText: part }).first().click();
  }

  /** The ghost text on the screen, empty where there is none. */
  async ghost() {
    const pieces = await this.page.locator('.editor-instance [class*="ghost-text-decoration"]').allTextContents();
    return plain(pieces.join(''));
  }

  async ghostComes() {
    return until('ghost text', () => this.ghost());
  }

  async ghostGoes() {
    await until('no ghost text', async () => await this.ghost() === '');
  }

  /** The lines of the editor in front that are on the screen, as they are in the document. */
  async lines() {
    const lines = await this.page.locator('.editor-instance .view-line').evaluateAll(all => all
      .sort((one, other) => parseFloat(one.style.top) - parseFloat(other.style.top))
      .map(line => {
        const copy = line.cloneNode(true);
        for (const ghost of copy.querySelectorAll('[class*="ghost-text"]')) ghost.remove();
        return copy.textContent;
      }));
    return lines.map(plain);
  }

  /** What stands in the status bar of dsassist, read as a person with a screen reader hears it. */
  async status() {
    return this.page.locator('.statusbar-item[id*="dsassist"] a').first().getAttribute('aria-label');
  }

  async statusTooltip() {
    await this.page.locator('.statusbar-item[id*="dsassist"] a').first().hover();
    return plain(await this.page.locator('.monaco-hover:visible').last().textContent());
  }

  async statusText() {
    return plain(await this.page.locator('.statusbar-item[id*="dsassist"]').first().textContent());
  }

  async statusSays(...words) {
    await until(`a status with ${words}`, async () => {
      const now = await this.status();
      return words.every(word => now?.includes(word)) || assert.fail(`${now}`);
    });
  }

  async clickStatus() {
    await this.page.locator('.statusbar-item[id*="dsassist"] a').first().click();
  }

  /** The messages that are on the screen. */
  async messages() {
    return (await this.page.locator('.notifications-toasts .notification-list-item-message').allTextContents()).map(plain);
  }

  async save(file) {
    const before = fs.statSync(this.#path(file)).mtimeMs;
    await this.press('Control+s');
    await until(`${file} is saved`, () => fs.statSync(this.#path(file)).mtimeMs > before);
  }

  read(file) {
    return fs.readFileSync(this.#path(file), 'utf8');
  }

  write(file, text) {
    fs.mkdirSync(path.dirname(this.#path(file)), { recursive: true });
    fs.writeFileSync(this.#path(file), text);
  }

  /** The address of a file, relative to the workspace or absolute. */
  remote(file) {
    return `vscode-remote://127.0.0.1:${this.#given.port}${this.#path(file)}`;
  }

  /** The process ids of this workspace's language servers. */
  servers() {
    return fs.readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => {
      try {
        const line = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return line.includes('lsp') && fs.readlinkSync(`/proc/${pid}/cwd`) === this.#given.workspace;
      } catch {
        return false; // it is gone
      }
    });
  }

  /** Keep a picture for the documents, if they are wanted, without the messages that happen to be there. */
  async shot(name) {
    const style = '.notifications-toasts { display: none !important }';
    const { screenshots, readme } = this.#given;
    const files = screenshots.map(folder => path.join(folder, `vscode-${name}.png`));
    if (screenshots.length && name === 'ghost-text') files.push(path.join(readme, `${name}.png`));
    for (const file of files) {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      await this.page.screenshot({ path: file, style });
    }
  }

  assertNothingWentOut() {
    assert.deepEqual([...this.#outside], [], 'the page asked other machines');
  }

  #path(file) {
    return path.resolve(this.#given.workspace, file);
  }
}

function plain(text) {
  return (text ?? '').replaceAll('\u00a0', ' ').replaceAll('\u200b', '');
}

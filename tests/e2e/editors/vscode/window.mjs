// A window of VS Code, in the words of the scenarios.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

// For what takes a second, on a machine that does much else; how long something is watched that must not come.
const WAIT_MS = 180_000;
const WATCH_MS = 1500;

// The claim that a scenario is played to fail by. It is not waited for as long, and what is to come is watched for longer.
let spoilt = /(?!)/;
const SPOILT_CLAIM_MS = 5000;

/** Polls until `check()` is true, and returns its value. */
export async function until(what, check, limitMs = WAIT_MS) {
  const end = Date.now() + limitMs;
  let last;
  do {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error.message;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  } while (Date.now() < end);
  throw new Error(`did not come about within ${limitMs / 1000} s: ${what}; at last: ${last}`);
}

/** `until` for what a scenario is there to show. */
export async function claim(what, check) {
  return until(what, check, spoilt.test(what) ? SPOILT_CLAIM_MS : WAIT_MS);
}

/** `check()` stays true for a while. */
export async function stays(what, check) {
  const end = Date.now() + (spoilt.test(what) ? WAIT_MS : WATCH_MS);
  do {
    assert.ok(await check(), what);
    await new Promise(resolve => setTimeout(resolve, 100));
  } while (Date.now() < end);
}

export class Window {
  #given;
  #outside = new Set();
  #workspace = '';
  #isToFail = false;
  #loaded = '';

  constructor(page, given) {
    this.page = page;
    this.#given = given;
    page.setDefaultTimeout(WAIT_MS);
    page.on('request', request => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http') && url.hostname !== '127.0.0.1') this.#outside.add(url.origin);
    });
    page.on('dialog', dialog => void dialog.accept().catch(() => {})); // "leave the page?"
  }

  /** Show a workspace with no editor open; loaded anew only when it is another one, or after a failure. */
  async enter({ workspace, workspaceFile, failsBy, payload }) {
    spoilt = failsBy ? new RegExp(`^${failsBy}`) : /(?!)/;
    this.#workspace = workspace;
    this.#isToFail = Boolean(failsBy);
    const opened = workspaceFile ? { workspace: workspaceFile } : { folder: workspace };
    const query = new URLSearchParams({ ...opened, payload: JSON.stringify((payload ?? []).map(([key, file]) => [key, this.remote(file)])) });
    const address = `http://127.0.0.1:${this.#given.port}/?${query}`;
    if (address === this.#loaded) {
      await this.closeEditors();
      return;
    }
    await this.page.goto(address, { waitUntil: 'domcontentloaded' });
    this.#loaded = address;
    if (payload) return;
    await until('the window', () => this.page.locator('.statusbar-item[id*="dsassist"]').isVisible());
  }

  /** A second window, on another workspace. */
  async another(workspace) {
    const other = new Window(await this.page.context().newPage(), this.#given);
    await other.enter({ workspace });
    return other;
  }

  /** Nothing is known of what is on the screen. */
  leave() {
    this.#loaded = '';
  }

  /** Have a file in front, with the keyboard in it, its cursor at the end of a line (from 1), or of the file: "last". */
  async open(file, line) {
    const name = path.basename(file);
    await this.#ask(line === 'last' ? this.#path(file) : `${this.#path(file)}:${line}`);
    await this.choose(name);
    await until(`${name} is in front`, async () => await this.#front(`.tab.active[data-resource-name="${name}"]`).count() > 0
      && await this.#front('.monaco-editor.focused').count() > 0);
    await this.idle();
    await this.press(line === 'last' ? 'Control+End' : 'End');
  }

  /**
   * The page has nothing else to do.
   *
   * Only then VS Code makes some parts of an editor, ghost text's among them: what was typed before asks for none.
   */
  async idle() {
    await this.page.evaluate(() => new Promise(resolve => { requestIdleCallback(resolve); }));
  }

  async closeEditors() {
    await this.press('Escape');
    await this.command('View: Close All Editors');
    const throwAway = this.page.locator('.dialog-buttons .monaco-button', { hasText: /Don.t Save/ });
    await until('no editor is open', async () => {
      if (await throwAway.count()) await throwAway.first().click({ timeout: 10_000 });
      return await this.page.locator('.editor-instance').count() === 0;
    });
  }

  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  async type(text) {
    await this.page.keyboard.type(text, { delay: 25 });
  }

  /** The last character once more, as one does who wants to be asked again. */
  async typeAgain(text) {
    await this.press('Backspace');
    await this.type(text.slice(-1));
  }

  /** A command by its title, out of the palette. */
  async command(title) {
    await this.#ask(`>${title}`);
    await this.choose(title);
  }

  /** Choose a file or folder in the dialog for them. */
  async answerDialog(answer) {
    const input = this.page.locator('.quick-input-widget:visible input').first();
    await until('the dialog', async () => (await this.entries()).length > 0 && (await input.inputValue()).startsWith('/'));
    await until('the answer in it', async () => {
      const stands = await input.inputValue() === answer; // what it begins with may come late
      if (!stands) await input.fill(answer);
      return stands;
    });
    const accept = this.page.locator('.quick-input-widget:visible .quick-input-action .monaco-button').first();
    await until('the choice', async () => {
      if (await accept.isVisible()) await accept.click({ timeout: 10_000 }); // Enter may come late, and press what is behind
      return !await input.isVisible();
    });
  }

  /** The entries of the list that is open at the top. */
  async entries() {
    return this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row').allTextContents();
  }

  /** Take the first entry of that list that has this in it. */
  async choose(part) {
    const entry = this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row', { hasText: part }).first();
    await until(`the entry ${part}`, async () => {
      if (await entry.count() === 0) return false;
      await entry.click({ timeout: 10_000 }); // the list may be filled anew under the hand
      return true;
    });
  }

  /** The ghost text on the screen at this moment, empty where there is none. */
  async ghost() {
    const pieces = await this.page.locator('.editor-instance [class*="ghost-text-decoration"]').allTextContents();
    return plain(pieces.join(''));
  }

  /** The ghost text, once it is what is typed last that it goes on from: a moment before, it is still drawn as it was. */
  async ghostComes() {
    await claim('ghost text', () => this.ghost());
    let before = '';
    return claim('ghost text that stays as it is', async () => {
      const now = await this.ghost();
      const isSettled = now === before;
      before = now;
      return isSettled && now;
    });
  }

  async ghostGoes() {
    await claim('no ghost text', async () => await this.ghost() === '');
  }

  /** The lines of the editor in front that are on the screen, as they are in the document. */
  async lines() {
    const lines = await this.#front('.view-line').evaluateAll(all => all
      .sort((one, other) => parseFloat(one.style.top) - parseFloat(other.style.top))
      .map(line => {
        const copy = line.cloneNode(true);
        for (const ghost of copy.querySelectorAll('[class*="ghost-text"]')) ghost.remove();
        return copy.textContent;
      }));
    return lines.map(plain);
  }

  /** What stands in the terminals. */
  async terminals() {
    return plain((await this.page.locator('.terminal-wrapper .xterm-rows').allInnerTexts()).join('\n'));
  }

  async squiggles() {
    return this.#front('.squiggly-warning, .squiggly-error, .squiggly-info').count();
  }

  /** What stands in the status bar of dsassist, read as a person with a screen reader hears it. */
  async status() {
    return this.page.locator('.statusbar-item[id*="dsassist"] a').first().getAttribute('aria-label');
  }

  /** From now on keep each text that the status bar shows; gives a function that tells them. */
  async watchStatus() {
    await this.page.evaluate(() => {
      const seen = globalThis.seenInStatusBar = [];
      const look = () => {
        const text = document.querySelector('.statusbar-item[id*="dsassist"]')?.textContent;
        if (text && text !== seen.at(-1)) seen.push(text);
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    return async () => (await this.page.evaluate(() => globalThis.seenInStatusBar)).map(text => plain(text).trim());
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

  /** Show the list of messages, where they stay: on the screen they go after some seconds. */
  async openMessages() {
    if (await this.page.locator('.notifications-center.visible').count() === 0) await this.command('Notifications: Show Notifications');
    await until('the list of messages', async () => await this.page.locator('.notifications-center.visible').count() > 0);
  }

  /** The messages in that list. */
  async messages() {
    return (await this.page.locator('.notifications-center .notification-list-item-message').allTextContents()).map(plain);
  }

  /** Save the file in front, and wait until all of it is written. */
  async save(file) {
    await until(`${file} is changed`, async () => await this.#front('.tab.active.dirty').count() > 0);
    await this.press('Control+s');
    await until(`${file} is saved`, async () => await this.#front('.tab.active.dirty').count() === 0);
  }

  read(file) {
    return fs.readFileSync(this.#path(file), 'utf8');
  }

  /** Write a file as another program would. */
  write(file, text) {
    fs.mkdirSync(path.dirname(this.#path(file)), { recursive: true });
    fs.writeFileSync(this.#path(file), text);
  }

  settings(changed) {
    this.write('.vscode/settings.json', JSON.stringify(changed));
  }

  /** The address of a file, relative to the workspace or absolute. */
  remote(file) {
    return `vscode-remote://127.0.0.1:${this.#given.port}${this.#path(file)}`;
  }

  /** The process ids of this workspace's language servers. */
  servers() {
    return processes(pid => argumentsOf(pid).includes('lsp') && fs.readlinkSync(`/proc/${pid}/cwd`) === this.#workspace);
  }

  /** Those of the one server that has the model, for all windows. */
  modelServers() {
    return this.#ofOurs('dsassist_runtime.server');
  }

  /** Those of the processes that compute. */
  engines() {
    return this.#ofOurs('dsassist_runtime.engine.process');
  }

  /** What the server keeps on disk of its last completion, a moment after it. */
  get lastCompletion() {
    return path.join(this.#given.home, 'state', 'last-completion.json');
  }

  #ofOurs(module) {
    const home = `DSASSIST_HOME=${this.#given.home}`;
    return processes(pid => argumentsOf(pid).includes(module) && fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(home));
  }

  /** Keep a picture, if they are wanted, of what is on the screen but for the messages that happen to be there. */
  async shot(name, where = 'docs') {
    const folder = this.#given.screenshots[where];
    if (!folder || this.#isToFail) return;
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, where === 'docs' ? `vscode-${name}.png` : `${name}.png`);
    await this.page.screenshot({ path: file, style: '.notifications-toasts { display: none !important }' });
  }

  assertNothingWentOut() {
    assert.deepEqual([...this.#outside], [], 'the page asked other machines');
  }

  /** Put a text into the input at the top. */
  async #ask(text) {
    const input = this.page.locator('.quick-input-widget:visible input').first();
    await until('the palette', async () => {
      await this.press('F1'); // a window that is not ready for keys yet does not hear it
      await input.fill(text, { timeout: 10_000 });
      return true;
    });
  }

  /** Something in the group of editors that is in front. */
  #front(selector) {
    return this.page.locator(`.editor-group-container.active ${selector}`);
  }

  #path(file) {
    return path.resolve(this.#workspace, file);
  }
}

function processes(isWanted) {
  return fs.readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => {
    try {
      return isWanted(pid);
    } catch {
      return false; // it is gone
    }
  });
}

function argumentsOf(pid) {
  return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
}

function plain(text) {
  return (text ?? '').replaceAll('\u00a0', ' ').replaceAll('\u200b', '');
}

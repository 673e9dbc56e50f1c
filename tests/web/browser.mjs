// The page in a real browser.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

/** Chromium under the names that distributions give it. */
const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export const VIEWS = ['flow', 'shop', 'warehouse', 'dead', 'fault'];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find((program) => existsSync(program));
  if (!executablePath) throw new Error('there is no Chromium; `make test-web` installs it, or CHROMIUM names yours');
  return chromium.launch({
    executablePath,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/**
 * The page in a new window. `requests` collects all requested URLs. `close` fails if the browser logged an error or a
 * warning, unless it contains the text `expected`.
 */
export async function open(browser, base, { hash = '', scripts = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'no-preference', ...options });
  const page = await context.newPage();
  const consoleErrors = [];
  const requests = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) consoleErrors.push(message.text()); });
  page.on('pageerror', (error) => consoleErrors.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  for (const script of scripts) await page.addInitScript(script);
  await page.goto(`${base}/${hash}`);
  const close = async (expected) => {
    assert.deepEqual(consoleErrors.filter((text) => !expected || !text.includes(expected)), []);
    await context.close();
  };
  return { page, requests, close };
}

/** Opens a view by its link. */
export async function show(page, title) {
  await page.getByRole('navigation').getByRole('link', { name: title }).click();
  await page.getByRole('heading', { level: 1 }).filter({ visible: true }).waitFor();
}

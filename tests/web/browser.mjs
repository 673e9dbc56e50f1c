// A real browser on the page, and what it complains of.

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

/** The distribution's, under the names that it has there. */
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
 * The page in a window of its own. `complaints` collects what the console says that is worse than a note, and
 * `requests` every URL that was asked for.
 */
export async function open(browser, base, { hash = '', scripts = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'no-preference', ...options });
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  for (const script of scripts) await page.addInitScript(script);
  await page.goto(`${base}/${hash}`);
  return { page, complaints, requests, close: () => context.close() };
}

/** Goes to a view as a person does. */
export async function show(page, title) {
  await page.getByRole('navigation').getByRole('link', { name: title }).click();
  await page.getByRole('heading', { level: 1 }).filter({ visible: true }).waitFor();
}

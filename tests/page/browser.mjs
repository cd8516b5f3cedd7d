// Starts Debian's Chromium without a network and opens pages in it. Requests, console messages, errors, dialogs and new windows of a page are
// recorded.

import { pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

/** The ways in which a page is displayed. */
export const LOOKS = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

export function launch() {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/** Opens `file` as file:// without animations. `seen` collects events that must not occur. */
export async function open(browser, file, look) {
  const context = await browser.newContext({ ...LOOKS[look], offline: true, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const url = pathToFileURL(file).href;
  const seen = [];
  page.on('request', (request) => request.url() !== url && seen.push(`the page requests ${request.url().slice(0, 200)}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && seen.push(`console: ${message.text().slice(0, 300)}`));
  page.on('pageerror', (error) => seen.push(`script error: ${error.message}`));
  page.on('dialog', (dialog) => {
    seen.push(`the page opens a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('popup', () => seen.push('the page opens a window'));
  await context.exposeFunction('__violated', (what) => seen.push(`Content-Security-Policy forbids ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => window.__violated(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url, { waitUntil: 'load' });
  return { context, page, seen };
}

/** Opens every folded part, so that all of the page is checked. */
export function unfold(page) {
  return page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
}

// Debian's Chromium without a network, and a page with witnesses: whatever it asks for, complains of or runs is written down.

import { pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

/** The three ways a page is looked at. */
export const LOOKS = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

export function launch() {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/** Opens `file` as file://, every animation off; `seen` gathers what must not happen. */
export async function open(browser, file, look) {
  const context = await browser.newContext({ ...LOOKS[look], offline: true, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const url = pathToFileURL(file).href;
  const seen = [];
  page.on('request', (request) => request.url() !== url && seen.push(`it asks for ${request.url().slice(0, 200)}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && seen.push(`console: ${message.text().slice(0, 300)}`));
  page.on('pageerror', (error) => seen.push(`script error: ${error.message}`));
  page.on('dialog', (dialog) => {
    seen.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('popup', () => seen.push('it opens a window'));
  await context.exposeFunction('__violated', (what) => seen.push(`Content-Security-Policy forbids ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => window.__violated(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url, { waitUntil: 'load' });
  return { context, page, seen };
}

/** Opens every folded part, so that nothing stays unread. */
export function unfold(page) {
  return page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
}

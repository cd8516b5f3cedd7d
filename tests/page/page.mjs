// Requirements of every page: a verdict at the top, complete tables, no network requests, accessibility, limited size.

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { AxeBuilder } from '@axe-core/playwright';

import { LOOKS, open, unfold } from './browser.mjs';
import * as inert from './inert.mjs';
import * as labels from './labels.mjs';
import * as parts from './parts.mjs';
import * as tables from './tables.mjs';
import * as terms from './terms.mjs';

const LARGEST_BYTES = 2_000_000;
// With the evidence folded a report is read by scrolling ten screens, and printed on six sheets.
const SCREENS_MAX = 10;
const SCREEN_HEIGHT = 800;
const PAGES_MAX = 6;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];

/** Returns the problems of the page `file`. Writes screenshots to `pictures` under `name`, if given. */
export async function check(browser, { name, file, hostile, pictures }) {
  const problems = [];
  const bytes = statSync(file).size;
  if (bytes >= LARGEST_BYTES) problems.push(`the page has ${bytes} bytes; it must have fewer than ${LARGEST_BYTES}`);
  for (const look of Object.keys(LOOKS)) {
    const { context, page, seen } = await open(browser, file, look);
    const say = (found) => problems.push(...found.map((problem) => `${look}: ${problem}`));
    if (pictures) await picture(page, pictures, name, look);
    if (look === 'light') {
      say(await length(page));
      say(await paper(page, pictures && join(pictures, `${name}.pdf`)));
      say(await contents(page));
    }
    say(await labels.check(page));
    await unfold(page);
    if (look === 'light') {
      say(await terms.check(page));
      say(await verdict(page));
      if (hostile) say(await inert.check(page));
      say(await tables.check(page));
      say(await parts.check(page));
    }
    if (look === 'phone') say(await fitsWidth(page));
    say(await accessible(page, look));
    if (hostile && (await page.evaluate(() => '__pwned' in window))) say(['a script from the log was executed']);
    say([...new Set(seen)]);
    await context.close();
  }
  return problems;
}

/** The page starts with a verdict and has one main heading and a title. */
async function verdict(page) {
  const heading = await page.locator('#verdict h1').innerText({ timeout: 2000 }).catch(() => '');
  const problems = heading.trim().length < 5 ? ['#verdict h1 has no text'] : [];
  if ((await page.locator('h1').count()) !== 1) problems.push('the page does not have exactly one h1');
  if ((await page.title()).trim() === '') problems.push('the page has no title');
  return problems;
}

/** The page as it opens is at most ten screens long. */
async function length(page) {
  const screens = (await page.evaluate(() => document.documentElement.scrollHeight)) / SCREEN_HEIGHT;
  return screens > SCREENS_MAX ? [`the page is ${screens.toFixed(1)} screens long; at most ${SCREENS_MAX} are allowed`] : [];
}

/** The page as it opens is printed on at most six sheets of A4, and written to `file` if given. */
async function paper(page, file) {
  const pdf = await page.pdf({ format: 'A4', ...(file && { path: file }) });
  const pages = (pdf.toString('latin1').match(/\/Type\s*\/Page\b(?!s)/g) ?? []).length;
  if (pages === 0) return ['the printed page has no sheets'];
  return pages > PAGES_MAX ? [`the page is printed on ${pages} sheets; at most ${PAGES_MAX} are allowed`] : [];
}

/** The contents stay in sight, and each of their links leads to a section below them. */
async function contents(page) {
  const problems = [];
  const links = await page.$$eval('nav a', (all) => all.map((link) => link.getAttribute('href')));
  if (links.length < 3) problems.push(`the contents have ${links.length} links`);
  for (const link of links) {
    await page.evaluate((id) => document.getElementById(id)?.scrollIntoView(), link.slice(1));
    const place = await page.evaluate((id) => {
      const [section, nav] = [document.getElementById(id), document.querySelector('nav')].map((element) => element?.getBoundingClientRect());
      return section && { top: section.top, bottom: section.bottom, nav: nav.top, navBottom: nav.bottom, end: window.innerHeight };
    }, link.slice(1));
    if (!place) problems.push(`the contents name ${link}, which does not exist`);
    // The head of the page is above the contents.
    else if (place.nav < -1 || (link !== '#verdict' && place.nav > 1 && place.top > place.end)) problems.push(`${link}: the contents are at ${place.nav} px`);
  }
  await page.evaluate(() => window.scrollTo(0, 0));
  return problems;
}

/** The page does not scroll sideways on a phone. */
async function fitsWidth(page) {
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const inScroller = (element) => element.closest('.scroll') !== null;
    const out = [...document.body.querySelectorAll('*')].filter((element) => !inScroller(element) && element.getBoundingClientRect().right > width + 1);
    const name = (element) => element.tagName.toLowerCase() + (element.id && `#${element.id}`) + [...element.classList].map((word) => `.${word}`).join('');
    return { width, needs: document.documentElement.scrollWidth, out: out.slice(0, 5).map(name) };
  });
  // A chart that must be scrolled is not read on a phone.
  const charts = await page.$$eval('.chart-scroll', (all) => all.filter((region) => region.scrollWidth > region.clientWidth + 1).length);
  if (charts > 0) return [`${charts} charts are wider than the phone`];
  return wide.needs > wide.width ? [`scrolls sideways: ${wide.needs} px wide on ${wide.width} (${wide.out.join(', ')})`] : [];
}

/** Accessibility: all rules in the light look, rules about colours again in the dark look, rules about the width again on a phone. */
async function accessible(page, look) {
  // The rows of a table are alike, and so are the values of a chart: a dozen of each suffice, thousands would take minutes.
  await page.evaluate((most) => {
    document.querySelectorAll('tbody, .values').forEach((group) => [...group.children].slice(most).forEach((child) => child.remove()));
  }, 12);
  const rules = { light: null, dark: ['color-contrast', 'link-in-text-block'], phone: ['target-size', 'meta-viewport', 'scrollable-region-focusable'] }[look];
  const builder = rules ? new AxeBuilder({ page }).withRules(rules) : new AxeBuilder({ page }).withTags(RULES);
  const found = await builder.analyze();
  if (found.passes.length < (rules ? 1 : 5)) return ['the accessibility rules found nothing to check'];
  return found.violations.map((rule) => {
    const where = rule.nodes.slice(0, 4).map((node) => node.target.join(' '));
    return `axe ${rule.id} (${rule.impact}): ${rule.help}; ${rule.nodes.length} × ${where.join(' | ')}`;
  });
}

async function picture(page, folder, name, look) {
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true });
}

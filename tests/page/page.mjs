// What every page must be: an answer, whole tables, nothing fetched, readable by everyone, small.

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { AxeBuilder } from '@axe-core/playwright';

import { LOOKS, open, unfold } from './browser.mjs';
import * as inert from './inert.mjs';
import * as parts from './parts.mjs';
import * as tables from './tables.mjs';

const LARGEST_BYTES = 2_000_000;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];

/** Problems of the page `file`; pictures go to `pictures`, if given, under `name`. */
export async function check(browser, { name, file, hostile, pictures }) {
  const problems = [];
  const bytes = statSync(file).size;
  if (bytes >= LARGEST_BYTES) problems.push(`it has ${bytes} bytes, ${LARGEST_BYTES} are too many`);
  for (const look of Object.keys(LOOKS)) {
    const { context, page, seen } = await open(browser, file, look);
    const say = (found) => problems.push(...found.map((problem) => `${look}: ${problem}`));
    if (pictures) await picture(page, pictures, name, look);
    await unfold(page);
    if (look === 'light') {
      say(await answer(page));
      if (hostile) say(await inert.check(page));
      say(await tables.check(page));
      say(await parts.check(page));
    }
    if (look === 'phone') say(await narrow(page));
    say(await readable(page, look));
    if (hostile && (await page.evaluate(() => '__pwned' in window))) say(['a script from the log has run']);
    say([...new Set(seen)]);
    await context.close();
  }
  return problems;
}

async function answer(page) {
  const heading = await page.locator('#verdict h1').innerText({ timeout: 2000 }).catch(() => '');
  const problems = heading.trim().length < 5 ? ['#verdict h1 says nothing'] : [];
  if ((await page.locator('h1').count()) !== 1) problems.push('it has not exactly one h1');
  if ((await page.title()).trim() === '') problems.push('it has no title');
  return problems;
}

async function narrow(page) {
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const inScroller = (element) => element.closest('.scroll') !== null;
    const out = [...document.body.querySelectorAll('*')].filter((element) => !inScroller(element) && element.getBoundingClientRect().right > room + 1);
    const name = (element) => element.tagName.toLowerCase() + (element.id && `#${element.id}`) + [...element.classList].map((word) => `.${word}`).join('');
    return { room, needs: document.documentElement.scrollWidth, out: out.slice(0, 5).map(name) };
  });
  return wide.needs > wide.room ? [`scrolls sideways: ${wide.needs} px wide on ${wide.room} (${wide.out.join(', ')})`] : [];
}

/** Accessibility: every rule on the page as it opens, what depends on colours or on the width again where those differ. */
async function readable(page, look) {
  // Rows of a table are alike, and so are the values of a chart: a dozen of each tell, thousands take minutes.
  await page.evaluate((most) => {
    document.querySelectorAll('tbody, .values').forEach((group) => [...group.children].slice(most).forEach((child) => child.remove()));
  }, 12);
  const rules = { light: null, dark: ['color-contrast', 'link-in-text-block'], phone: ['target-size', 'meta-viewport', 'scrollable-region-focusable'] }[look];
  const builder = rules ? new AxeBuilder({ page }).withRules(rules) : new AxeBuilder({ page }).withTags(RULES);
  const found = await builder.analyze();
  if (found.passes.length < (rules ? 1 : 5)) return ['the accessibility rules found nothing to look at'];
  return found.violations.map((rule) => {
    const where = rule.nodes.slice(0, 4).map((node) => node.target.join(' '));
    return `axe ${rule.id} (${rule.impact}): ${rule.help}; ${rule.nodes.length} × ${where.join(' | ')}`;
  });
}

async function picture(page, folder, name, look) {
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true });
  if (look === 'light') await page.pdf({ path: join(folder, `${name}.pdf`), format: 'A4' });
}

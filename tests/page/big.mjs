// The largest page that a report can be: tables of 100 groups and 48 candidates. Loading, sorting and filtering are no wait.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { open, unfold } from './browser.mjs';

const ROWS = 4_800;
// On two cores without a graphics processor; a change of the table is felt from 100 ms on and is a wait from a second on.
const LONGEST_MS = { load: 2000, sort: 500, filter: 1000 };
const TRIES = 5;

/** Makes the page in `folder` out of the real `page`, whose longest table gets 4,800 rows, and measures it. */
export async function check(browser, page, folder) {
  const { html, rows } = enlarged(readFileSync(page, 'utf8'));
  if (rows < ROWS) return [`no table of ${page} could be made longer`];
  const file = join(folder, 'big.html');
  writeFileSync(file, html);
  const times = { load: [], sort: [], filter: [] };
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const opened = await open(browser, file, 'light');
    await unfold(opened.page);
    const measured = await opened.page.evaluate(measure);
    for (const [what, ms] of Object.entries(measured)) times[what].push(ms);
    await opened.context.close();
  }
  const problems = [];
  const told = [];
  for (const [what, all] of Object.entries(times)) {
    if (all.length === 0) continue;
    // The fastest of a few: a busy machine slows some of them, nothing speeds one up.
    const fastest = Math.min(...all);
    told.push(`${what} ${fastest.toFixed(0)} ms`);
    if (fastest > LONGEST_MS[what]) problems.push(`${what} takes ${fastest.toFixed(0)} ms, ${LONGEST_MS[what]} are allowed`);
  }
  console.log(`a page of ${ROWS} rows: ${told.join(', ')}`);
  return problems;
}

function enlarged(html) {
  const bodies = [...html.matchAll(/<tbody>([\s\S]*?)<\/tbody>/g)].sort((a, b) => count(b[1]) - count(a[1]));
  if (bodies.length === 0) return { html, rows: 0 };
  const rows = bodies[0][1].match(/<tr[\s>][\s\S]*?<\/tr>/g);
  const many = Array.from({ length: ROWS }, (_, index) => rows[index % rows.length].replace(/data-v="([^"]*)"/g, (_all, value) => `data-v="${Number(value) + (index % 97)}"`));
  return { html: html.replace(bodies[0][0], () => `<tbody>${many.join('\n')}</tbody>`), rows: many.length };
}

function count(body) {
  return body.split('<tr').length;
}

/** In the page: milliseconds until the change is laid out. */
async function measure() {
  const table = [...document.querySelectorAll('table')].sort((a, b) => b.rows.length - a.rows.length)[0];
  const settled = async (change) => {
    const start = performance.now();
    change();
    document.body.getBoundingClientRect();
    return performance.now() - start;
  };
  const navigation = performance.getEntriesByType('navigation')[0];
  const buttons = table.tHead.querySelectorAll('button');
  const sort = Math.max(await settled(() => buttons[0].click()), await settled(() => buttons[buttons.length - 1].click()));
  const field = document.querySelector(`input[data-filter="${table.dataset.name}"]`);
  const type = () => {
    field.value = 'sync';
    field.dispatchEvent(new Event('input', { bubbles: true }));
  };
  return { load: navigation.loadEventEnd - navigation.startTime, sort, ...(field && { filter: await settled(type) }) };
}

// The largest page that a report can be (tables of 100 groups and 48 candidates) loads, sorts and filters without a noticeable wait.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { open, unfold } from './browser.mjs';

const ROWS = 4_800;
// Bounds for two cores without a graphics processor. A change that takes longer than a second feels like a wait.
const LONGEST_MS = { load: 2000, sort: 500, filter: 1000 };
const TRIES = 5;

/** Copies `page` into `folder` with its longest table extended to 4,800 rows, and measures the copy. */
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
  const summary = [];
  for (const [what, all] of Object.entries(times)) {
    if (all.length === 0) continue;
    // The fastest attempt counts, because other programs can only slow an attempt down.
    const fastest = Math.min(...all);
    summary.push(`${what} ${fastest.toFixed(0)} ms`);
    if (fastest > LONGEST_MS[what]) problems.push(`${what} takes ${fastest.toFixed(0)} ms, ${LONGEST_MS[what]} are allowed`);
  }
  console.log(`a page of ${ROWS} rows: ${summary.join(', ')}`);
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

/** Runs in the page: milliseconds until a change is laid out. */
async function measure() {
  const table = [...document.querySelectorAll('table')].sort((a, b) => b.rows.length - a.rows.length)[0];
  const timeUntilLaidOut = async (change) => {
    const start = performance.now();
    change();
    document.body.getBoundingClientRect();
    return performance.now() - start;
  };
  const navigation = performance.getEntriesByType('navigation')[0];
  const buttons = table.tHead.querySelectorAll('button');
  const sort = Math.max(await timeUntilLaidOut(() => buttons[0].click()), await timeUntilLaidOut(() => buttons[buttons.length - 1].click()));
  const field = document.querySelector(`input[data-filter="${table.dataset.name}"]`);
  const type = () => {
    field.value = 'sync';
    field.dispatchEvent(new Event('input', { bubbles: true }));
  };
  return { load: navigation.loadEventEnd - navigation.startTime, sort, ...(field && { filter: await timeUntilLaidOut(type) }) };
}

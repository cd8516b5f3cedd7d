// Creates the reports, checks them in every format, and prints a line for each problem. Exit status 1 if there is a problem.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

import * as big from './big.mjs';
import { launch } from './browser.mjs';
import * as page from './page.mjs';
import * as reports from './reports.mjs';
import * as schemas from './schemas.mjs';
import * as texts from './texts.mjs';

const { pictures, files } = parseArguments(process.argv.slice(2));
const problems = [];
const say = (name, found) => {
  console.log(`${found.length === 0 ? 'good' : 'BAD '} ${name}`);
  for (const problem of found) console.log(`     ${problem}`);
  problems.push(...found);
};

const folder = mkdtempSync(join(tmpdir(), 'wsim-page-'));
const browser = await launch();
try {
  if (files.length > 0) {
    for (const file of files) {
      const name = basename(dirname(file));
      say(file, await page.check(browser, { name, file, hostile: name.startsWith('hostile'), pictures }));
    }
  } else {
    await checkAll();
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(problems.length === 0 ? 'all good' : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Creates all reports and checks them. */
async function checkAll() {
  const { made, printed, logs } = reports.make(folder);
  for (const report of made) {
    const file = join(report.folder, 'report.html');
    say(`page ${report.name}`, await page.check(browser, { name: report.name, file, hostile: report.hostile, pictures }));
  }
  for (const report of made.filter((report) => report.hostile)) say(`other formats of ${report.name}`, texts.checkFolder(report.folder));
  for (const { name, text } of printed) say(`output of ${name}`, texts.checkPrinted(text));
  say('output on a terminal', texts.checkTerminal(analyseOnTerminal(logs)));
  say('the largest page', await big.check(browser, join(made[0].folder, 'report.html'), folder));
  const samples = ['reports/sample', 'reports/sample-simulation'].map((sample) => resolve(sample, 'report.json'));
  say('schemas', schemas.check([...made.map((report) => join(report.folder, 'report.json')), ...samples]));
}

/** Runs `wsim analyse` on all hostile logs with a terminal as its output, by `script` of Debian's bsdutils. Returns the output. */
function analyseOnTerminal(logs) {
  const command = `exec "$WSIM" analyse "$LOGS"/*.log --out "$LOGS/out" 2> /dev/null`;
  const run = spawnSync('script', ['-qec', command, '/dev/null'], { env: { ...process.env, LOGS: logs, TERM: 'xterm-256color' }, timeout: 120_000 });
  const text = String(run.stdout);
  if (run.status !== 0 || readdirSync(join(logs, 'out')).length === 0 || !text.includes('\x1b[')) {
    throw new Error(`analyse on a terminal ended with status ${run.status} and printed ${JSON.stringify(text.slice(0, 500))}`);
  }
  return text;
}

function parseArguments(words) {
  const index = words.indexOf('--pictures');
  if (index < 0) return { files: words.map((word) => resolve(word)) };
  const pictures = resolve(words[index + 1] ?? '.');
  return { pictures, files: words.filter((_, other) => other !== index && other !== index + 1).map((word) => resolve(word)) };
}

// Formats other than HTML: Markdown, CSV, SVG, output on a terminal. No text of a log is active or hidden in them.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// C0 except tab and line feed, DEL, C1, soft hyphen, bidirectional marks, zero-width and tag characters, line separators.
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

/** The first hidden character in `text`, with its context; undefined if there is none. */
export function hidden(text) {
  const index = text.search(HIDDEN);
  if (index < 0) return undefined;
  return `U+${text.codePointAt(index).toString(16).padStart(4, '0')} in ${JSON.stringify(text.slice(Math.max(0, index - 30), index + 30))}`;
}

/** Returns the problems of the files of one hostile run. */
export function checkFolder(folder) {
  const problems = [];
  const names = readdirSync(folder, { recursive: true }).filter((name) => /\.(md|html|csv|svg|toml)$/.test(name));
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8');
    const lines = name.endsWith('.csv') ? text.replaceAll('\r\n', '\n') : text;
    const control = hidden(lines);
    if (control) problems.push(`${name}: ${control}`);
    if (name.endsWith('.csv')) problems.push(...formulas(lines).map((cell) => `${name}: a spreadsheet calculates ${JSON.stringify(cell)}`));
    if (name.endsWith('.md')) problems.push(...markup(text).map((found) => `${name}: ${found}`));
    if (name.endsWith('.svg') && /<(script|foreignObject|image|a|iframe)[\s>]|\son\w+=/i.test(text)) problems.push(`${name}: it has active content`);
  }
  if (!names.some((name) => name.endsWith('.md'))) problems.push('there is no Markdown file');
  return problems;
}

/** Returns the problems of output that does not go to a terminal: it must not contain any escape sequence. */
export function checkPrinted(text) {
  const control = hidden(text);
  return control ? [`printed: ${control}`] : [];
}

/** Returns the problems of output on a terminal: colours are the only allowed escape sequences. */
export function checkTerminal(text) {
  const control = hidden(text.replaceAll(/\x1b\[[0-9;]*m/g, '').replaceAll('\r\n', '\n'));
  return control ? [`to a terminal: ${control}`] : [];
}

/** Cells that a spreadsheet would read as a formula. Negative numbers are allowed. */
function formulas(text) {
  const cells = [...text.matchAll(/(?:^|,|\n)(?:"((?:[^"]|"")*)"|([^",\n]*))/g)].map((match) => match[1] ?? match[2] ?? '');
  return cells.filter((cell) => /^\s*[=+\-@＝＋－＠|%\t]/.test(cell) && !/^-\d+(\.\d+)?(e-?\d+)?$/.test(cell));
}

/** Markup that a ticket system would act on, outside code. */
function markup(text) {
  // An escaped backtick does not start code.
  const prose = text.replaceAll('\\`', '').replaceAll(/^ {4}.*$/gm, '').replaceAll(/```[\s\S]*?```/g, '').replaceAll(/(?<!`)(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, '').replaceAll(/\\./g, '');
  const found = prose.match(/<[a-z/!?][^\n]{0,40}|!?\[[^\]\n]*\]\((?!#|charts\/|report|plan|trace)[^)\n]*\)|https?:\/\/\S+/i);
  return found ? [`${JSON.stringify(found[0])} is markup`] : [];
}

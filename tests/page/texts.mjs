// The forms that are no page: Markdown, CSV, pictures, what a terminal gets. Nothing of a log acts in them or hides in them.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// C0 but tab and line feed, DEL, C1, soft hyphen, bidirectional marks, zero-width and tag characters, line separators.
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

/** What hides in `text`, with its surroundings; undefined if nothing does. */
export function hidden(text) {
  const at = text.search(HIDDEN);
  if (at < 0) return undefined;
  return `U+${text.codePointAt(at).toString(16).padStart(4, '0')} in ${JSON.stringify(text.slice(Math.max(0, at - 30), at + 30))}`;
}

/** Problems of the files of one hostile run. */
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
    if (name.endsWith('.svg') && /<(script|foreignObject|image|a|iframe)[\s>]|\son\w+=/i.test(text)) problems.push(`${name}: something in it acts`);
  }
  if (!names.some((name) => name.endsWith('.md'))) problems.push('there is no Markdown to look at');
  return problems;
}

/** Problems of what a run printed where there is no terminal: not one escape sequence. */
export function checkPrinted(text) {
  const control = hidden(text);
  return control ? [`printed: ${control}`] : [];
}

/** Problems of what a run printed to a terminal: colours only. */
export function checkTerminal(text) {
  const control = hidden(text.replaceAll(/\x1b\[[0-9;]*m/g, '').replaceAll('\r\n', '\n'));
  return control ? [`to a terminal: ${control}`] : [];
}

/** Cells that begin a formula. Numbers below zero are numbers. */
function formulas(text) {
  const cells = [...text.matchAll(/(?:^|,|\n)(?:"((?:[^"]|"")*)"|([^",\n]*))/g)].map((match) => match[1] ?? match[2] ?? '');
  return cells.filter((cell) => /^\s*[=+\-@＝＋－＠|%\t]/.test(cell) && !/^-\d+(\.\d+)?(e-?\d+)?$/.test(cell));
}

/** Markup that a ticket system would act on, outside code. */
function markup(text) {
  // An escaped backtick opens no code.
  const prose = text.replaceAll('\\`', '').replaceAll(/^ {4}.*$/gm, '').replaceAll(/```[\s\S]*?```/g, '').replaceAll(/(?<!`)(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, '').replaceAll(/\\./g, '');
  const found = prose.match(/<[a-z/!?][^\n]{0,40}|!?\[[^\]\n]*\]\((?!#|charts\/|report|plan|trace)[^)\n]*\)|https?:\/\/\S+/i);
  return found ? [`${JSON.stringify(found[0])} is markup`] : [];
}

// Validates every report.json against its schema with an independent validator.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const SCHEMAS = join(process.cwd(), 'src/report/schema');

/** Returns the problems of the `report.json` files, and of schemas that accept values that they should reject. */
export function check(files) {
  const problems = [];
  const seen = new Set();
  for (const file of files) {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    const found = problemsOf(report);
    problems.push(...found.map((problem) => `${file}: ${problem}`));
    seen.add(report.schema);
    if (found.length === 0) problems.push(...unconstrainedKeys(report).map((problem) => `${report.schema}: ${problem}`));
  }
  for (const name of readdirSync(SCHEMAS)) {
    const id = `wsim.${name.replace(/\.json$/, '').replace('-', '/')}`;
    if (!seen.has(id)) problems.push(`src/report/schema/${name}: no report of ${id} was validated`);
  }
  return [...new Set(problems)];
}

function problemsOf(report) {
  const name = /^wsim\.([a-z]+)\/(\d+)$/.exec(report.schema ?? '');
  if (!name) return [`the report's schema is ${JSON.stringify(report.schema)}`];
  const path = join(SCHEMAS, `${name[1]}-${name[2]}.json`);
  if (!existsSync(path)) return [`${report.schema} has no file in src/report/schema`];
  const validate = compiled(path);
  if (validate(report)) return [];
  return validate.errors.slice(0, 8).map((error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`);
}

/** The keys of the report for which the schema accepts a value of a wrong kind. */
function unconstrainedKeys(report) {
  const keys = [];
  for (const key of Object.keys(report)) {
    const { [key]: _, ...rest } = report;
    if (problemsOf({ ...rest, [key]: () => 0 }).length === 0) keys.push(`${key} may be anything`);
  }
  return keys;
}

const validators = new Map();

function compiled(path) {
  if (!validators.has(path)) {
    const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, allowUnionTypes: true });
    addFormats(ajv);
    validators.set(path, ajv.compile(JSON.parse(readFileSync(path, 'utf8'))));
  }
  return validators.get(path);
}

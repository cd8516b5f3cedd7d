// Creates reports with wsim: one of each kind, and those of a hostile log.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as hostile from './hostile.mjs';

const WSIM = process.env.WSIM;
const SAMPLES = join(process.cwd(), 'samples');

/** Runs wsim in `folder` and returns its output. With statuses 0 and 3 it has written a report; others are errors. */
export function wsim(folder, args, options = {}) {
  const run = spawnSync(WSIM, args, { cwd: folder, timeout: 300_000, maxBuffer: 1 << 28, ...options });
  if (![0, 3].includes(run.status)) {
    throw new Error(`wsim ${args[0]} ended with status ${run.status}: ${String(run.stderr).slice(0, 2000)}${run.error ?? ''}`);
  }
  return { stdout: run.stdout.toString(), stderr: run.stderr.toString() };
}

/** Copies of an analysis, each a week later and with more load than the one before. Returns their folders. */
function weeks(out, analysis) {
  const report = JSON.parse(readFileSync(join(analysis, 'report.json'), 'utf8'));
  return [1, 1.1, 1.15, 1.3, 1.35].map((factor, week) => {
    const later = (instant) => new Date(Date.parse(instant) + week * 7 * 86_400_000).toISOString();
    const copy = structuredClone(report);
    copy.window = { ...copy.window, start: later(copy.window.start), end: later(copy.window.end) };
    for (const group of copy.groups) {
      group.requests = Math.round(group.requests * factor);
      group.cpu_seconds = group.cpu_seconds === null ? null : group.cpu_seconds * factor;
    }
    for (const limit of copy.deployment.limits) limit.headroom.value /= factor;
    const folder = join(out, `week-${week}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'report.json'), JSON.stringify(copy));
    return folder;
  });
}

/** Creates all reports under `folder`. Returns `{name, folder, hostile}` for each, the output of the hostile runs, and the folder of the hostile logs. */
export function make(folder) {
  const out = join(folder, 'reports');
  const made = [];
  const printed = [];
  const run = (name, args, isHostile = false) => {
    const output = wsim(folder, [...args, '--out', out, '--name', name]);
    made.push({ name, folder: join(out, name), hostile: isHostile });
    if (isHostile) printed.push({ name, text: output.stdout + output.stderr });
  };
  const quick = ['--replications', '2', '--window', 'all'];
  const emulated = ['--target', 'emulated', '--plan', 'generic:2', '--allow-writes'];
  run('analysis', ['analyse', join(SAMPLES, 'cluster')]);
  run('analysis-proxy', ['analyse', join(SAMPLES, 'nginx-rich.log')]);
  run('simulation', ['simulate', join(SAMPLES, 'one-worker'), ...quick]);
  run('replay', ['replay', join(SAMPLES, 'one-worker'), ...emulated, '--from', '2026-11-20T17:34:20Z', '--to', '2026-11-20T17:34:28Z']);
  // A prediction is compared with a replay of the same plan only.
  run('prediction', ['simulate', join(SAMPLES, 'one-worker'), '--plan', 'generic:2', ...quick]);
  run('comparison', ['report', join(out, 'prediction'), join(out, 'replay')]);
  run('missed', ['replay', join(SAMPLES, 'one-worker'), ...emulated, '--expect', 'p95 work < 1ms', '--from', '2026-11-20T17:34:20Z', '--to', '2026-11-20T17:34:26Z']);
  run('change', ['report', join(out, 'replay'), join(out, 'missed')]);
  run('split', ['simulate', join(SAMPLES, 'bridge.log.gz'), '--objective', 'busy < 70%, connections < 80%', '--replications', '2']);
  run('trend', ['report', ...weeks(out, join(out, 'analysis'))]);

  const logs = join(folder, 'hostile');
  mkdirSync(logs);
  hostile.write(logs).forEach((paths, index) => {
    run(`hostile-${index}`, ['analyse', ...paths], true);
    if (index > 0) return;
    run('hostile-simulation', ['simulate', ...paths, ...quick, '--workers', '1..2', '--no-backtest'], true);
    run('hostile-replay', ['replay', paths[0], ...emulated, '--speed', '30'], true);
  });
  return { made, printed, logs };
}

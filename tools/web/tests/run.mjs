/* run.mjs: runs the test files by node:test and prints one line PASS:, FAIL: or SKIP: for each test, the form that tests/run counts. */

import { readdirSync } from 'node:fs';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const only = process.argv.slice(2);
const files = readdirSync(here)
  .filter((name) => name.endsWith('.test.mjs') && (!only.length || only.some((word) => name.includes(word))))
  .map((name) => here + name);
const details = { failed: 0 };

const line = (kind, { name, file }, more = '') => console.log(`${kind}: web: ${file ? `${file.split('/').pop().replace('.test.mjs', '')}: ` : ''}${name}${more}`);
const isSuite = (data) => data.details?.type === 'suite' || data.name.endsWith('.mjs');

/* One file at a time: they would compete for the processors, and some measure time. */
const stream = run({ files, concurrency: 1, timeout: 600000 });
stream.on('test:pass', (data) => {
  if (data.skip !== undefined) line('SKIP', data, ` (${data.skip})`);
  else if (!isSuite(data)) line('PASS', data);
});
stream.on('test:fail', (data) => {
  details.failed++;
  if (isSuite(data) && /subtests? failed/.test(data.details.error?.message ?? '')) return;
  line('FAIL', data);
  console.log(`    ${String(data.details.error?.cause?.stack ?? data.details.error?.message ?? data.details.error).split('\n').slice(0, 12).join('\n    ')}`);
});
stream.on('test:diagnostic', ({ message, file }) => file && /ms|MiB/.test(message) && !/^duration_ms/.test(message) && console.log(`    ${message}`));
stream.on('end', () => process.exit(details.failed ? 1 : 0));
stream.resume();

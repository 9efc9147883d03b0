/* bench.mjs MODEL.gguf [--level simd128|relaxed] [--threads N] [--words N] [--tokens N] [--reps N]: how fast the package is in headless Chromium, as
 * JSON: tokens a second of a prompt of N words and of N tokens generated after it, medians. A warm-up comes first, and every repetition has a prompt of
 * its own, so that none is remembered. Nothing is printed unless all tokens are those that the package finds under Node, where the module is
 * simd128. TALLY_WEB_TOOLS names a folder with playwright-core. */

import { basename, resolve } from 'node:path';
import { load } from './src/node.js';
import { makeServer } from './serve.mjs';
import { listen, missing, openBrowser, stop } from './tests/chromium.mjs';

const TEXT = 'once upon a time there was a little girl who lived in a small house near the big green forest with her dog'.split(' ');
const options = { level: 'relaxed', threads: 1, words: 96, tokens: 64, reps: 3 };

function fail(message) {
  console.error(message);
  process.exit(1);
}

function readArguments(args) {
  const files = [];
  while (args.length) {
    const a = args.shift();
    const name = a.startsWith('--') ? a.slice(2) : null;
    if (name === null) files.push(resolve(a));
    else if (name in options && args.length) options[name] = name === 'level' ? args.shift() : Number(args.shift());
    else fail(`unknown option ${a}`);
  }
  if (files.length !== 1) fail('usage: bench.mjs MODEL.gguf [--level simd128|relaxed] [--threads N] [--words N] [--tokens N] [--reps N]');
  return files[0];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/* Runs in the page: a load, then one answer to each prompt. */
async function answers([source, loading, prompts, tokens]) {
  const { load: open } = await import('../src/tally.js');
  const model = await open(new URL(source, location.href), { ...loading, wasmUrl: new URL(loading.wasmUrl, location.href) });
  const runs = [];
  for (const [i, prompt] of prompts.entries()) {
    const ids = [];
    let last;
    for await (const chunk of model.generate(prompt, { temperature: 0, maxTokens: i ? tokens : Math.min(8, tokens) })) {
      ids.push(...chunk.ids);
      last = chunk;
    }
    runs.push({ ids, usage: last.usage, timings: last.timings });
  }
  const { backend } = model.info;
  await model.close();
  return { runs, backend };
}

async function inBrowser(file, prompts) {
  const server = makeServer({ models: [file] });
  const site = await listen(server);
  const { context, close } = await openBrowser();
  try {
    const page = await context.newPage();
    await page.goto(`${site}/tests/blank.html`);
    const module = `../wasm/tally-${options.level}${options.threads > 1 ? '-threads' : ''}.wasm`;
    const loading = { threads: options.threads, contextSize: 1024, cache: false, wasmUrl: module };
    const seen = await page.evaluate(answers, [`../models/${encodeURIComponent(basename(file))}`, loading, prompts, options.tokens]);
    return { ...seen, browser: context.browser()?.version() ?? (await page.evaluate(() => navigator.userAgent)) };
  } finally {
    await close();
    await stop(server);
  }
}

/* The tokens of the same prompts under Node. */
async function underNode(file, prompts, counts) {
  const model = await load(file, { threads: options.threads, contextSize: 1024 });
  const all = [];
  for (const [i, prompt] of prompts.entries()) {
    const ids = [];
    for await (const chunk of model.generate(prompt, { temperature: 0, maxTokens: counts[i] })) ids.push(...chunk.ids);
    all.push(ids);
  }
  await model.close();
  return all;
}

if (missing) fail(missing);
const file = readArguments(process.argv.slice(2));
const prompts = Array.from({ length: options.reps + 1 }, (_, r) =>
  Array.from({ length: options.words }, (_, i) => (i ? TEXT[(i + r) % TEXT.length] : `run${r}`)).join(' '),
);
const { runs, backend, browser } = await inBrowser(file, prompts);
const wanted = await underNode(file, prompts, runs.map((r) => r.usage.completionTokens));
for (const [i, run] of runs.entries())
  if (`${run.ids}` !== `${wanted[i]}`) fail(`answer ${i} differs from that under Node: ${run.ids} in place of ${wanted[i]}`);
const timed = runs.slice(1);
console.log(
  JSON.stringify({
    model: basename(file),
    browser,
    level: backend.level,
    threads: backend.threads,
    promptTokens: timed[0].usage.promptTokens,
    tokens: timed.map((r) => r.usage.completionTokens),
    promptPerSecond: median(timed.map((r) => r.timings.promptPerSecond)),
    generatePerSecond: median(timed.map((r) => r.timings.generatePerSecond)),
    prompts: timed.map((r) => r.timings.promptPerSecond),
    generations: timed.map((r) => r.timings.generatePerSecond),
  }),
);

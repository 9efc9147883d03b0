/* bench-abort.mjs [--aborts N] MODEL.gguf: how long an abort takes in Chromium during a prompt of 1,000 tokens: with threads and without, on the
 * machine as it is and while a process for each CPU keeps it busy. Ends with 1 where one took more than 200 ms. TALLY_WEB_TOOLS: where
 * playwright-core is. */

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { basename, resolve } from 'node:path';
import { makeServer } from './serve.mjs';
import { listen, missing, openBrowser, stop } from './tests/chromium.mjs';

const MOST_MS = 200;

/* In the page: each prompt is another one, and is aborted at another place of it. */
async function measure([url, threads, aborts]) {
  const { load } = await import('../src/tally.js');
  const model = await load(url, { threads, contextSize: 2048, cache: false });
  const prompt = (i) => `${i} ${'The quick brown fox jumps over a lazy dog. '.repeat(100)}`;
  const tokens = (await model.tokenize(prompt(0), { special: true })).length;
  let part;
  for await (const chunk of model.generate(prompt(0).slice(0, 400), { maxTokens: 1 })) part = chunk;
  const perSecond = part.timings.promptPerSecond;
  const within = Math.min(2000, (tokens / perSecond) * 400);
  const times = [];
  while (times.length < aborts) {
    const controller = new AbortController();
    let at;
    setTimeout(() => {
      at = performance.now();
      controller.abort();
    }, (within * (times.length + 0.5)) / aborts);
    try {
      for await (const chunk of model.generate(prompt(times.length + 1), { maxTokens: 1, signal: controller.signal })) void chunk;
      throw new Error('a prompt was read to its end before the abort');
    } catch (e) {
      if (e.code !== 'aborted') throw e;
      times.push(performance.now() - at);
    }
  }
  await model.close();
  return { tokens, perSecond, times, backend: model.info.backend.description };
}

async function main(args) {
  const aborts = args[0] === '--aborts' ? Number(args.splice(0, 2)[1]) : 10;
  if (args.length !== 1 || !(aborts > 0)) throw new Error('usage: bench-abort.mjs [--aborts N] MODEL.gguf');
  if (missing) throw new Error(missing);
  const servers = [true, false].map((isolated) => makeServer({ models: [resolve(args[0])], isolated }));
  const [threaded, single] = await Promise.all(servers.map(listen));
  const browser = await openBrowser();
  const [page] = browser.context.pages();
  const busy = [];
  let worst = 0;
  try {
    for (const load of ['as it is', 'busy']) {
      if (load === 'busy') for (let i = 0; i < availableParallelism(); i++) busy.push(spawn('node', ['-e', 'for (;;);']));
      for (const [origin, threads] of [[threaded, 2], [single, 1]]) {
        await page.goto(`${origin}/tests/blank.html`);
        const { tokens, perSecond, times, backend } = await page.evaluate(measure, [`/models/${basename(args[0])}`, threads, aborts]);
        times.sort((a, b) => a - b);
        worst = Math.max(worst, times.at(-1));
        const figures = `median ${times[times.length >> 1].toFixed(0)} ms, worst ${times.at(-1).toFixed(0)} ms of ${times.length}`;
        console.log(`machine ${load}, ${backend}${threads > 1 ? '' : ', alone'}: ${figures} (${tokens} tokens, ${perSecond.toFixed(0)}/s)`);
      }
    }
  } finally {
    for (const child of busy) child.kill();
    await browser.close();
    await Promise.all(servers.map(stop));
  }
  if (worst > MOST_MS) throw new Error(`an abort took ${worst.toFixed(0)} ms, at most ${MOST_MS} were promised`);
}

main(process.argv.slice(2)).catch((e) => {
  console.error(`bench-abort: ${e.message}`);
  process.exit(1);
});

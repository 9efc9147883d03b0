/* firefox.js: the page's side of the smoke test: loads twice (the second time from the cache), generates, aborts, and reports to the server. */

import { cache, load } from '../src/tally.js';

async function run() {
  const origins = [];
  const notices = [];
  const options = { onProgress: (p) => origins.push(p.from), logger: { warn: (text) => notices.push(text) } };
  const first = await load('/models/tiny.gguf', options);
  const ids = [];
  for await (const chunk of first.generate('hello', { temperature: 0, maxTokens: 12 })) ids.push(...chunk.ids);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 10);
  let code = 'none';
  try {
    for await (const chunk of first.generate('The quick brown fox jumps over a lazy dog. '.repeat(24), { signal: controller.signal })) void chunk;
  } catch (e) {
    code = e.code;
  }
  await first.close();
  const second = await load('/models/tiny.gguf', options);
  await second.close();
  return { ids, code, info: first.info, from: [origins[0], origins.at(-1)], kept: (await cache.list()).map((e) => e.complete), notices, isolated: crossOriginIsolated };
}

const result = await run().catch((e) => ({ error: `${e.code}: ${e.message}` }));
await fetch('/result', { method: 'POST', body: JSON.stringify(result) });

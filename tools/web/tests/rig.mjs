/* rig.mjs: what the test files under Node share: the tiny model, as bytes, as a file and loaded, and how to read answers and errors. */

import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { TallyError, load } from '../src/node.js';
import { discard } from './chromium.mjs';
import { tinyModel } from './tiny.mjs';

export const bytes = tinyModel();
export const folder = mkdtempSync(join(tmpdir(), 'tally-web-'));
export const path = join(folder, 'tiny.gguf');
writeFileSync(path, bytes);
after(() => discard(folder));

export const LONG = 'The quick brown fox jumps over a lazy dog. '.repeat(24); /* more than 1,000 tokens of bytes */
export const SINGLE = new URL('../wasm/tally-simd128.wasm', import.meta.url); /* for pages that may not share memory */
export const GREEDY = { temperature: 0, maxTokens: 12 };
export const ENDLESS = { temperature: 0, logitBias: { [256 + 6 + 2]: -1000 } }; /* the tiny model's end token never; so until the context is full */

export let model; /* the one that the tests of onThreads find loaded */

/* tests(threads) on one thread, in the module of pages that may not share memory, and on two. */
export function onThreads(tests) {
  for (const threads of [1, 2])
    describe(`a model on ${threads} thread${threads > 1 ? 's' : ''}`, () => {
      before(async () => {
        model = await load(path, { threads, wasmUrl: threads > 1 ? undefined : SINGLE });
      });
      after(() => model.close());
      tests(threads);
    });
}

/* For assert.rejects: a TallyError of that code, whose message matches. */
export const code = (expected, message) => (e) => {
  assert.ok(e instanceof TallyError, `a TallyError, not ${e}`);
  assert.equal(e.code, expected, e.message);
  if (message) assert.match(e.message, message);
  return true;
};

export async function collect(chunks) {
  let text = '';
  const ids = [];
  let last;
  for await (last of chunks) {
    text += last.text;
    ids.push(...last.ids);
  }
  return { ...last, text, ids };
}

export function* pieces(all, n) {
  for (let at = 0; at < all.length; at += n) yield all.subarray(at, at + n);
}

export async function* asyncPieces(all, n) {
  yield* pieces(all, n);
}

export const trappingWorker = (trap) =>
  `data:text/javascript,${encodeURIComponent(`globalThis.trap = '${trap}'; await import('${new URL('trapping-worker.mjs', import.meta.url)}');`)}`;

/* The calls that were just made are on their way to the worker: that takes promises, and no time. */
export async function underWay() {
  for (let i = 0; i < 50; i++) await null;
}

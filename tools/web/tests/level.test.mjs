/* level.test.mjs: which of the modules an engine gets, and what info says about it, in processes of their own with flags of the engine. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { load } from '../src/node.js';
import { GREEDY, SINGLE, collect, path } from './rig.mjs';

describe('the level', () => {
  const run = promisify(execFile);
  const script = fileURLToPath(new URL('say.mjs', import.meta.url));
  const relaxed = fileURLToPath(new URL('../wasm/tally-relaxed.wasm', import.meta.url));
  const lacking = existsSync(relaxed) ? false : 'the relaxed module is not built';
  const old = Number(process.versions.node.split('.')[0]) < 22 ? false : 'this Node computes relaxed instructions rightly by either compiler';
  const say = async (flags, options) => JSON.parse((await run('node', [...flags, script, path, JSON.stringify({ threads: 1, ...options })])).stdout);
  const RELAXED = '--experimental-wasm-relaxed-simd';

  test('is relaxed where the engine computes it rightly, with the same tokens', { skip: lacking }, async () => {
    const { ids, backend } = await say([RELAXED, '--no-liftoff']);
    assert.deepEqual([backend.level, backend.note], ['relaxed', null]);
    const plain = await load(path, { threads: 1, wasmUrl: SINGLE });
    assert.deepEqual((await collect(plain.generate('hello', GREEDY))).ids, ids);
    assert.deepEqual(plain.info.backend.level, 'simd128');
    assert.match(plain.info.backend.note, /level relaxed cannot run: this build lacks it/);
    await plain.close();
  });

  test('is simd128 where the engine lacks relaxed SIMD, and info says so', { skip: old }, async () => {
    const { backend } = await say([]);
    assert.deepEqual([backend.level, backend.note], ['simd128', 'the engine has no relaxed SIMD']);
  });

  test('is simd128 where the engine computes relaxed SIMD wrongly, and info says what the known-answer test found', { skip: old }, async () => {
    const { backend } = await say([RELAXED, '--liftoff-only']);
    assert.equal(backend.level, 'simd128');
    assert.match(backend.note, /relaxed dot product is wrong: \d+ by -?\d+ four times gave/);
  });

  test("says so, too, where the page chose the relaxed module and the module's own test found it", { skip: old || lacking }, async () => {
    const { backend } = await say([RELAXED, '--liftoff-only'], { wasmUrl: relaxed });
    assert.equal(backend.level, 'simd128');
    assert.match(backend.note, /level relaxed cannot run: .*known-answer test/);
  });
});

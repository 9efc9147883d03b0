/* loading.test.mjs: sources of a model, the network's failures, memory, aborts and modules that cannot be had, under Node. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeApi } from '../src/api.js';
import { TallyError, forecast, load } from '../src/node.js';
import { streamChunks } from '../src/streams.js';
import { makeMemory } from '../src/wasm.js';
import { listen, stop } from './chromium.mjs';
import { asyncPieces, bytes, code, folder, path, pieces, trappingWorker } from './rig.mjs';
import { streamedModel, tinyModel } from './tiny.mjs';

describe('loading', () => {
  let server;
  let base;
  const answers = {
    '/tiny.gguf': (q, r) => r.writeHead(200, { 'content-length': bytes.length }).end(bytes),
    '/100%.gguf': (q, r) => r.end(bytes),
    '/%ff.gguf': (q, r) => r.end('no model'),
    '/chunked.gguf': (q, r) => {
      r.write(bytes.subarray(0, 5000));
      r.end(bytes.subarray(5000));
    },
    '/secret.gguf': (q, r) => (q.headers.authorization === 'Bearer x' ? r.end(bytes) : r.writeHead(401).end()),
    '/416.gguf': (q, r) => r.writeHead(416, { 'content-length': bytes.length }).end(bytes),
    '/304.gguf': (q, r) => r.writeHead(304).end(),
    '/204.gguf': (q, r) => r.writeHead(204).end(),
    '/broken.gguf': (q, r) => {
      r.writeHead(200, { 'content-length': bytes.length });
      r.write(bytes.subarray(0, 70000), () => r.destroy());
    },
    '/slow.gguf': (q, r) => r.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 100)),
  };
  before(async () => {
    server = createServer((q, r) => (answers[q.url] ?? ((_, s) => s.writeHead(404).end()))(q, r));
    base = await listen(server);
  });
  after(() => stop(server));

  test('reports progress to the last byte', async () => {
    for (const [source, total, from] of [
      [path, bytes.length, 'local'],
      [`${base}/tiny.gguf`, bytes.length, 'network'],
      [`${base}/chunked.gguf`, undefined, 'network'],
    ]) {
      const seen = [];
      const model = await load(source, { onProgress: (p) => seen.push(p) });
      await model.close();
      assert.equal(seen.at(-1).loaded, bytes.length);
      assert.equal(seen.at(-1).total, total);
      assert.equal(seen.at(-1).from, from);
      assert.deepEqual(seen.map((p) => p.loaded), seen.map((p) => p.loaded).sort((a, b) => a - b));
    }
  });

  test('failures of the network say so', async () => {
    await assert.rejects(load(`${base}/nothing.gguf`), code('network', /answered 404/));
    await assert.rejects(load(`${base}/secret.gguf`), code('network', /401/));
    for (const status of [204, 304, 416]) await assert.rejects(load(`${base}/${status}.gguf`), code('network', new RegExp(`/${status}\\.gguf answered (${status}|without a body)`)));
    await assert.rejects(load(`${base}/broken.gguf`), code('network', /broke off/));
    await assert.rejects(load('http://127.0.0.1:1/x.gguf'), code('network', /cannot be reached: (bad port|connect ECONNREFUSED)/));
    const model = await load(`${base}/secret.gguf`, { headers: { authorization: 'Bearer x' } });
    await model.close();
  });

  test('headers that cannot be sent are told as such, without their values', async () => {
    const url = `${base}/secret.gguf`;
    const authorization = 'Bearer x';
    for (const headers of [{ authorization }, new Headers({ authorization })]) await (await load(url, { headers })).close();
    for (const [headers, message] of [
      [{ 'a b': 'c' }, /^headers: 'a b' cannot be the name of a header$/],
      [{ '': 'c' }, /^headers: '' cannot be the name/],
      [{ authorization: 'Bearer\nx' }, /^headers: the value of 'authorization' holds a character that no header can$/],
      [{ authorization: '世' }, /^headers: the value of 'authorization' holds/],
      [{ authorization: undefined }, /^headers: 'authorization' is undefined, expected a string/],
      [{ a: Symbol('b') }, /^headers: 'a' is Symbol\(b\), expected a string/],
      ['a: b', /^headers is the string 'a: b', expected an object/],
      [[['a', 'b']], /^headers is an array, expected an object/],
      [null, /^headers is null/],
      [{ connection: 'x' }, /secret\.gguf was not asked: invalid connection header/],
    ])
      await assert.rejects(load(url, { headers }), code('usage', message));
  });

  test('an address with a percent sign that escapes nothing is loaded, and one that is none is refused', async () => {
    await (await load(`${base}/100%.gguf`)).close();
    await assert.rejects(load(`${base}/%ff.gguf`), code('file', /^%ff\.gguf: not a GGUF file/));
    await assert.rejects(load('file:///%ff'), code('usage', /'file:\/\/\/%ff' is no address/));
  });

  test('bad files are refused by the library, by name', async () => {
    await assert.rejects(load(join(folder, 'absent.gguf')), code('file', /absent\.gguf/));
    await assert.rejects(load(folder), code('file'));
    await assert.rejects(load(new TextEncoder().encode('<!doctype html>')), code('file', /the stream: not a GGUF file.*web page/));
    await assert.rejects(load(bytes.subarray(0, bytes.length - 50)), code('file', /cut short/));
    await assert.rejects(load(asyncPieces(bytes.subarray(0, bytes.length - 50), 4096)), code('file', /cut short/));
    await assert.rejects(load(bytes.subarray(0, 500)), code('file', /cut short/));
    await assert.rejects(load(new Uint8Array(0)), code('file'));
    await assert.rejects(load(tinyModel({ split: 3 })), code('unsupported', /split into 3 files/));
    await assert.rejects(load(`${base}/m-00001-of-00003.gguf`), code('unsupported', /m-00001-of-00003\.gguf is part 1/));
    await assert.rejects(load(tinyModel({ keys: [['llama.rope.scaling.type', 'string', 'bogus']] })), (e) => e instanceof TallyError && e.code !== 'internal');
  });

  test('a source that fails or yields nonsense is told apart', async () => {
    async function* failing() {
      yield bytes.subarray(0, 1000);
      throw new Error('disk on fire');
    }
    await assert.rejects(load(failing()), code('file', /disk on fire/));
    await assert.rejects(load(['text']), code('usage', /no Uint8Array/));
    await assert.rejects(load(42), code('usage', /expected a path/));
    await assert.rejects(load(path, { threads: 0 }), code('usage', /threads/));
    await assert.rejects(load(path, { threads: '2' }), code('usage', /^threads is the string '2', expected an integer from 1 to 64$/));
    await assert.rejects(load(path, { threads: 2n }), code('usage', /^threads is 2n, expected/));
    await assert.rejects(load(path, { contextSize: -1 }), code('usage', /contextSize/));
    await assert.rejects(load(path, { contextSize: [64] }), code('usage', /^contextSize is an array, expected/));
    await assert.rejects(load(path, { sha256: 'abc' }), code('usage', /sha256/));
  });

  test('a source that is not read to its end is closed', async () => {
    let close;
    const closed = new Promise((resolve) => (close = resolve));
    async function* endless() {
      try {
        for (;;) yield new Uint8Array(1000).fill(60);
      } finally {
        close();
      }
    }
    await assert.rejects(load(endless()), code('file'));
    await closed;
  });

  test('a stream that keeps a load waiting is cancelled by an abort, whether the worker runs yet or not', async () => {
    for (const early of [true, false]) {
      const controller = new AbortController();
      let cancel;
      let pull;
      const cancelled = new Promise((resolve) => (cancel = resolve));
      const pulled = new Promise((resolve) => (pull = resolve));
      const source = new ReadableStream({ pull: () => (pull(), new Promise(() => {})), cancel });
      const loading = assert.rejects(load(source, { signal: controller.signal }), code('aborted'));
      await (early ? pulled : new Promise((resolve) => setTimeout(resolve, 300)));
      controller.abort();
      await loading;
      await cancelled;
    }
  });

  test('a source is closed where the worker never was, or died', async () => {
    for (const workerUrl of [join(folder, 'no-worker.js'), trappingWorker('at-once')]) {
      let close;
      const closed = new Promise((resolve) => (close = resolve));
      const source = { [Symbol.iterator]: () => ({ next: () => ({ value: bytes.slice(0, 100) }), return: () => (close(), {}) }) };
      await assert.rejects(load(source, { workerUrl, threads: 2 }), code('internal'));
      await closed;
    }
  });

  test('a source that another reads, and files that cannot be read, are told as what they are', async () => {
    const locked = new Blob([bytes]).stream();
    locked.getReader();
    await assert.rejects(load(locked), code('usage', /^load: the source cannot be read: .*locked/));
    await assert.rejects(load(path, { workerUrl: trappingWorker('unreadable') }), code('file', /^cannot read '.*tiny\.gguf': EIO/));
    const chunks = streamChunks(new ReadableStream({ pull: (c) => c.error(new Error('NotReadable')) }), 'a.gguf', 'local');
    await assert.rejects(chunks.next(), code('file', /^a\.gguf: it cannot be read to its end: NotReadable/));
  });

  test('the digest is checked', async () => {
    const right = createHash('sha256').update(bytes).digest('hex');
    await (await load(path, { sha256: right.toUpperCase() })).close();
    await assert.rejects(load(path, { sha256: right.replace(/^./, (c) => (c === '0' ? '1' : '0')) }), code('file', /SHA-256/));
  });

  test('an abort ends a load that waits for the network', async () => {
    const controller = new AbortController();
    const loading = load(`${base}/slow.gguf`, { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await assert.rejects(loading, code('aborted'));
    await assert.rejects(load(path, { signal: AbortSignal.abort() }), code('aborted'));
  });

  test('the forecast needs the first bytes only and tells what loading takes', async () => {
    let read = 0;
    async function* counted() {
      for (const p of pieces(bytes, 4096)) {
        read += p.length;
        yield p;
      }
    }
    const f = await forecast(counted(), { threads: 1, contextSize: 512 });
    const model = await load(path, { threads: 1, contextSize: 512 });
    const { wasm, ...memory } = model.info.memory;
    assert.ok(f.fits && f.contextSize === 512 && f.description === 'Tiny');
    assert.deepEqual({ weights: f.weights, kv: f.kv, activations: f.activations, workers: f.workers, total: f.total }, memory);
    assert.ok(read < bytes.length);
    assert.ok(wasm <= memory.weights + memory.kv + (64 << 20));
    await model.close();
  });

  test('what does not fit is refused before it is read', async () => {
    await assert.rejects(load(path, { memoryLimitMiB: 64, threads: 1 }), code('memory', /needs \d+ MiB.*ends at 64 MiB/));
    const model = await load(path);
    await model.close();
  });

  /* 268 MB a layer, all zeros, made while they are read. */
  const HUGE = { embd: 2048, heads: 16, ff: 8192, context: 64, zeros: true };

  test('a model of 2.6 GB loads', { skip: freemem() < 4 * 2 ** 30 ? 'less than 4 GB of memory are free' : false }, async () => {
    const model = await load(streamedModel({ ...HUGE, layers: 10 }), { threads: 1 });
    const { weights, kv, wasm } = model.info.memory;
    assert.ok(weights > 2.6e9 && wasm <= weights + kv + (64 << 20), `${wasm} bytes for ${weights}`);
    await model.close();
  });

  test('one over 4 GB is refused with both figures, before its weights are read', async () => {
    let read = 0;
    async function* counted() {
      for await (const chunk of streamedModel({ ...HUGE, layers: 17 })) {
        read += chunk.length;
        yield chunk;
      }
    }
    await assert.rejects(load(counted()), code('memory', /needs 4[45]\d\d MiB.*ends at 4096 MiB/));
    assert.ok(read < 1 << 22);
  });

  test('where an engine grants no 4 GB, 2 are asked for, then 1', () => {
    const { Memory } = WebAssembly;
    const asked = [];
    const least = (pages) =>
      function (o) {
        asked.push(o.maximum);
        if (o.maximum > pages) throw new RangeError('too much');
        return new Memory({ ...o, maximum: 256 });
      };
    try {
      WebAssembly.Memory = least(16384);
      assert.equal(makeMemory(false).limit, 2 ** 30);
      assert.deepEqual(asked, [65536, 32768, 16384]);
      WebAssembly.Memory = least(1);
      assert.throws(() => makeMemory(false), code('memory'));
    } finally {
      WebAssembly.Memory = Memory;
    }
  });

  test('a module that is no module, or is missing, is told by its address', async () => {
    await assert.rejects(load(path, { wasmUrl: path }), code('network', /tiny\.gguf cannot be loaded/));
    await assert.rejects(load(path, { workerUrl: join(folder, 'no-worker.js') }), code('internal', /a worker of the model ended/));
  });

  test('a module that the page may not compile is told as such', async () => {
    const worker = { post() {}, listen() {}, failed() {}, terminate() {} };
    const api = makeApi({ spawn: () => worker, source: () => ({ path }), module: () => Promise.reject(new WebAssembly.CompileError('disallowed by embedder')) });
    await assert.rejects(api.load(path), code('unsupported', /cannot be compiled: disallowed by embedder; .*'wasm-unsafe-eval'/));
  });

  test('no timer is in the way of a token, since those sleep in background tabs', () => {
    const source = new URL('../src/', import.meta.url);
    for (const name of readdirSync(source)) assert.doesNotMatch(readFileSync(new URL(name, source), 'utf8'), /setTimeout|setInterval|requestAnimationFrame/, name);
  });
});

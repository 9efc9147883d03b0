/* browser.test.mjs: the package in Chromium: the same tokens as under Node from every module, aborts in time, the cache with every server and
 * every misfortune it must cope with, and the ways in which pages embed it. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { load } from '../src/node.js';
import { makeServer } from '../serve.mjs';
import { discard, listen, missing, openBrowser, stop } from './chromium.mjs';
import { demoIds, demoModel, demoText, noDemoModel } from './demo.mjs';
import { tinyModel } from './tiny.mjs';

const small = tinyModel();
const large = tinyModel({ layers: 6, embd: 128, ff: 512 });
const changed = tinyModel({ keys: [['general.version', 'string', 'another']] });
const MIB = 1 << 20;
const MODULES = [['simd128', 1], ['relaxed', 1], ['simd128-threads', 2], ['relaxed-threads', 2]];
const CORS = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/* Our server, with files made up here under /t/, each of its own manners. */
class Site {
  constructor(options) {
    this.server = makeServer(options);
    const [serve] = this.server.listeners('request');
    this.server.removeAllListeners('request');
    this.asked = [];
    this.files = new Map();
    this.server.on('request', (q, r) => {
      const path = new URL(q.url, 'http://x').pathname;
      const file = this.files.get(path);
      if (!file) return serve(q, r);
      this.asked.push({ path, range: q.headers.range, ifRange: q.headers['if-range'] });
      return this.send(q, r, file);
    });
  }

  /* ranges: whether it knows them; 416: it refuses all; 'unsaid': it does not tell which it sends; cut: bytes after which it hangs up, once; slow: ms before the second half; late: what an answer waits
   * for, given the number of the request; type: of the content. */
  put(path, bytes, { etag = '"1"', ranges = true, cut = 0, slow = 0, late = () => {}, type = 'application/octet-stream' } = {}) {
    this.files.set(path, { bytes, etag, ranges, cut, slow, late, type, requests: 0 });
  }

  async send(q, r, file) {
    await file.late(file.requests++);
    const wanted = /bytes=(\d+)-/.exec(q.headers.range ?? '');
    const partial = wanted && file.ranges && (!q.headers['if-range'] || q.headers['if-range'] === file.etag);
    if (wanted && file.ranges === 416) return r.writeHead(416, CORS).end(file.bytes);
    const start = partial ? Number(wanted[1]) : 0;
    const body = file.bytes.subarray(start);
    const headers = { ...CORS, 'Content-Type': file.type, 'Content-Length': body.length };
    if (file.etag) headers.ETag = file.etag;
    if (partial && file.ranges !== 'unsaid') headers['Content-Range'] = `bytes ${start}-${file.bytes.length - 1}/${file.bytes.length}`;
    r.writeHead(partial ? 206 : 200, headers);
    if (file.cut) {
      const { cut } = file;
      file.cut = 0;
      return r.write(body.subarray(0, cut), () => setTimeout(() => r.destroy(), 100));
    }
    if (!file.slow) return r.end(body);
    r.write(body.subarray(0, body.length >> 1));
    return setTimeout(() => r.end(body.subarray(body.length >> 1)), file.slow);
  }
}

/* Runs in the page: loads, generates, tells what was seen. */
async function visit(page, source, options = {}, entry = '../src/tally.js') {
  return page.evaluate(
    async ([where, o, from]) => {
      const { load: open, cache } = await import(from);
      const notices = [];
      const origins = new Set();
      try {
        const model = await open(where, { ...o, onProgress: (p) => origins.add(p.from), logger: { warn: (t) => notices.push(t) } });
        const ids = [];
        for await (const chunk of model.generate('hello', { temperature: 0, maxTokens: 12 })) ids.push(...chunk.ids);
        const { info } = model;
        await model.close();
        return { ids, info, notices, origins: [...origins], kept: await cache.list() };
      } catch (e) {
        return { code: e.code, message: e.message, notices, kept: await cache.list() };
      }
    },
    [source, options, entry],
  );
}

describe('in Chromium', { skip: missing }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tally-browser-'));
  const isolated = new Site({ models: noDemoModel ? [] : [demoModel] });
  const plain = new Site({ isolated: false, policy: null });
  const strict = new Site({ policy: STRICT });
  let browser;
  let page;
  let base;
  let plainBase;
  let strictBase;
  let expected;

  before(async () => {
    [base, plainBase, strictBase] = await Promise.all([isolated, plain, strict].map((s) => listen(s.server)));
    for (const site of [isolated, plain, strict]) {
      site.put('/t/small.gguf', small);
      site.put('/t/large.gguf', large);
    }
    browser = await openBrowser({ args: ['--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP insecure.test 127.0.0.1'] });
    page = browser.context.pages()[0];
    page.setDefaultTimeout(120000);
    const model = await load(small, { threads: 1 });
    expected = [];
    for await (const chunk of model.generate('hello', { temperature: 0, maxTokens: 12 })) expected.push(...chunk.ids);
    await model.close();
  });
  after(async () => {
    await browser?.close();
    await Promise.all([isolated, plain, strict].map((s) => stop(s.server)));
    discard(folder);
  });
  const fresh = async (origin = base) => {
    await page.goto(`${origin}/tests/blank.html`);
    await page.evaluate(async () => (await import('../src/tally.js')).cache.delete());
  };

  test('every module gives the tokens that Node gives', async () => {
    await fresh();
    for (const [name, threads] of MODULES) {
      const seen = await visit(page, '/t/small.gguf', { threads, cache: false, wasmUrl: `../wasm/tally-${name}.wasm` });
      assert.deepEqual(seen.ids, expected, `${name}: ${seen.message}`);
      assert.equal(seen.info.backend.threads, threads);
    }
  });

  test('every module says what the digest of the demo model stands for', { skip: noDemoModel, timeout: 300000 }, async () => {
    await fresh();
    let probabilities;
    for (const [name, threads] of MODULES) {
      const said = await page.evaluate(
        async ([url, wasmUrl, n, text, count]) => {
          const [{ load: open }, { greedySteps }] = await Promise.all([import('../src/tally.js'), import('./steps.mjs')]);
          const model = await open(url, { threads: n, wasmUrl, contextSize: 256, cache: false });
          const { backend } = model.info;
          const steps = await greedySteps(model, text, count);
          await model.close();
          return { ...steps, backend };
        },
        [`/models/${basename(demoModel)}`, `../wasm/tally-${name}.wasm`, threads, demoText, demoIds.length],
      );
      assert.deepEqual(said.ids, demoIds, name);
      assert.deepEqual(said.probabilities, (probabilities ??= said.probabilities), name);
      assert.deepEqual([said.backend.level, said.backend.threads], [name.replace('-threads', ''), threads]);
      assert.equal(said.backend.note === null, said.backend.level === 'relaxed', said.backend.note);
    }
  });

  test('a page that is not isolated computes by one thread, and says so where more are asked for', async () => {
    await page.goto(`${plainBase}/tests/blank.html`);
    const seen = await visit(page, '/t/small.gguf', { threads: 4, cache: false });
    assert.deepEqual(seen.ids, expected);
    assert.equal(seen.info.backend.threads, 1);
    assert.match(seen.notices.join(), /not cross-origin isolated/);
  });

  /* bench-abort.mjs shows the 200 ms that are promised; a busy machine may take longer. */
  test('an abort ends a prompt of 1,000 tokens soon, with threads and without', async (t) => {
    for (const [origin, threads] of [[base, 2], [plainBase, 1]]) {
      await page.goto(`${origin}/tests/blank.html`);
      const times = await page.evaluate(async (n) => {
        const { load: open } = await import('../src/tally.js');
        const model = await open('/t/large.gguf', { threads: n, cache: false, contextSize: 2048 });
        const taken = [];
        for (let i = 0; i < 3; i++) {
          const controller = new AbortController();
          let at;
          setTimeout(() => {
            at = performance.now();
            controller.abort();
          }, 20);
          try {
            for await (const chunk of model.generate(`${i} ${'The quick brown fox jumps over a lazy dog. '.repeat(24)}`, { maxTokens: 2000, signal: controller.signal })) void chunk;
            taken.push('it ended by itself');
          } catch (e) {
            taken.push(e.code === 'aborted' ? performance.now() - at : e.message);
          }
        }
        const ids = [];
        for await (const chunk of model.generate('still there', { temperature: 0, maxTokens: 3 })) ids.push(...chunk.ids);
        await model.close();
        return { taken, ids };
      }, threads);
      t.diagnostic(`${threads} thread${threads > 1 ? 's' : ''}: ${times.taken.map((v) => (typeof v === 'number' ? `${v.toFixed(0)} ms` : v)).join(', ')}`);
      assert.ok(times.taken.every((v) => typeof v === 'number'), String(times.taken));
      assert.ok(Math.max(...times.taken) < 2000, String(times.taken));
      assert.ok(times.ids.length > 0);
    }
  });

  describe('the cache', () => {
    test('keeps what was downloaded; the second load reads it', async () => {
      await fresh();
      isolated.put('/t/kept.gguf', small);
      const first = await visit(page, '/t/kept.gguf');
      assert.deepEqual([first.ids, first.origins], [expected, ['network']]);
      assert.deepEqual(first.kept.map((e) => [e.url, e.size, e.etag, e.complete]), [[`${base}/t/kept.gguf`, small.length, '"1"', true]]);
      const second = await visit(page, '/t/kept.gguf');
      assert.deepEqual([second.ids, second.origins], [expected, ['cache']]);
      isolated.files.delete('/t/kept.gguf');
      const offline = await visit(page, '/t/kept.gguf');
      assert.deepEqual(offline.ids, expected);
      assert.match(offline.notices.join(), /answered 404.*the copy in the cache is used/);
      assert.equal(await page.evaluate(async (u) => (await import('../src/tally.js')).cache.delete(u), '/t/kept.gguf'), 1);
      assert.equal(await page.evaluate(async () => (await import('../src/tally.js')).cache.size()), 0);
    });

    test('is not used where it is not wanted', async () => {
      await fresh();
      assert.deepEqual((await visit(page, '/t/small.gguf', { cache: false })).kept, []);
    });

    test('resumes a download that broke off', async () => {
      await fresh();
      isolated.put('/t/broken.gguf', large, { cut: 2000000 });
      const broken = await visit(page, '/t/broken.gguf');
      assert.equal(broken.code, 'network', broken.message);
      assert.match(broken.message, /broke off/);
      assert.equal(broken.kept.length, 1);
      assert.equal(broken.kept[0].complete, false);
      const had = broken.kept[0].size;
      assert.ok(had > 0 && had <= 2000000);
      isolated.asked.length = 0;
      const whole = await visit(page, '/t/broken.gguf');
      assert.deepEqual(isolated.asked, [{ path: '/t/broken.gguf', range: `bytes=${had}-`, ifRange: '"1"' }]);
      assert.deepEqual(whole.ids, (await visit(page, '/t/large.gguf', { cache: false })).ids);
      assert.deepEqual(whole.origins.sort(), ['cache', 'network']);
      assert.equal(whole.kept[0].complete, true);
      assert.deepEqual((await visit(page, '/t/broken.gguf')).origins, ['cache']);
    });

    test('begins anew where the server knows no ranges, or refuses or hides one', async () => {
      for (const ranges of [false, 416, 'unsaid']) {
        await fresh();
        isolated.put('/t/unranged.gguf', small, { cut: 200000, ranges });
        assert.equal((await visit(page, '/t/unranged.gguf')).code, 'network');
        const whole = await visit(page, '/t/unranged.gguf');
        assert.deepEqual([whole.ids, whole.origins], [expected, ['network']]);
        assert.equal(whole.kept.length, 1);
        assert.equal(whole.kept[0].complete, true);
      }
    });

    test('takes a file that changed, and forgets the old one', async () => {
      await fresh();
      isolated.put('/t/changing.gguf', small);
      await visit(page, '/t/changing.gguf');
      isolated.put('/t/changing.gguf', changed, { etag: '"2"' });
      const seen = await visit(page, '/t/changing.gguf');
      assert.deepEqual(seen.origins, ['network']);
      assert.deepEqual(seen.kept.map((e) => [e.etag, e.size, e.complete]), [['"2"', changed.length, true]]);
      isolated.put('/t/changing.gguf', small, { etag: '"3"', cut: 200000 });
      assert.equal((await visit(page, '/t/changing.gguf')).code, 'network');
      isolated.put('/t/changing.gguf', changed, { etag: '"4"' });
      const last = await visit(page, '/t/changing.gguf');
      assert.deepEqual(last.ids.length, expected.length);
      assert.deepEqual(last.kept.map((e) => [e.etag, e.complete]), [['"4"', true]]);
    });

    test('a full quota costs a notice', async () => {
      await fresh();
      const cdp = await browser.context.newCDPSession(page);
      await cdp.send('Storage.overrideQuotaForOrigin', { origin: base, quotaSize: 100000 });
      const seen = await visit(page, '/t/small.gguf');
      await cdp.send('Storage.overrideQuotaForOrigin', { origin: base });
      assert.deepEqual(seen.ids, expected, seen.message);
      assert.match(seen.notices.join(), /no cache: .*(quota|full|space)/);
      assert.deepEqual(seen.kept, []);
    });

    test('a page without a private file system costs a notice', async () => {
      await page.goto(`${plainBase.replace('localhost', 'insecure.test')}/tests/blank.html`);
      const seen = await visit(page, '/t/small.gguf');
      assert.deepEqual(seen.ids, expected, seen.message);
      assert.match(seen.notices.join(), /no cache/);
    });

    test('two tabs download once, and use one file at the same time', async () => {
      await fresh();
      isolated.put('/t/shared.gguf', small, { slow: 700 });
      isolated.asked.length = 0;
      const other = await browser.context.newPage();
      await other.goto(`${base}/tests/blank.html`);
      const [a, b] = await Promise.all([visit(page, '/t/shared.gguf'), visit(other, '/t/shared.gguf')]);
      await other.close();
      assert.deepEqual([a.ids, b.ids], [expected, expected], `${a.message} ${b.message}`);
      assert.deepEqual([a.origins, b.origins].map(String).sort(), ['cache', 'network']);
      assert.equal(a.kept.length, 1);
    });

    test('a tab whose answer comes only after another tab has finished uses its file', async () => {
      await fresh();
      const other = await browser.context.newPage();
      await other.goto(`${base}/tests/blank.html`);
      let bothAsk;
      const both = new Promise((resolve) => (bothAsk = resolve));
      let visits;
      const late = (n) => (n === 0 ? both : (bothAsk(), Promise.race(visits)));
      isolated.put('/t/late.gguf', small, { late });
      visits = [page, other].map((tab) => visit(tab, '/t/late.gguf'));
      const origins = (await Promise.all(visits)).map((seen) => String(seen.origins));
      await other.close();
      assert.deepEqual(origins.sort(), ['cache', 'network']);
    });
  });

  /* Garbage counts until it is collected, which on a busy machine may be late: a second and a third try show whether it was that. */
  test('a load holds at most 32 MiB in JavaScript and 64 MiB beside weights and cache in the module', async (t) => {
    const bytes = tinyModel({ layers: 20, embd: 256, ff: 1024, zeros: true });
    assert.ok(bytes.length > 80 * MIB);
    isolated.put('/t/heavy.gguf', bytes);
    const cdp = await browser.context.newCDPSession(page);
    const workers = [];
    let most = 0; /* in one worker */
    cdp.on('Target.attachedToTarget', ({ sessionId }) => workers.push(sessionId));
    cdp.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { usedSize = 0, embedderHeapUsedSize = 0, backingStorageSize = 0 } = JSON.parse(message).result ?? {};
      most = Math.max(most, usedSize + embedderHeapUsedSize + backingStorageSize);
    });
    await cdp.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    let id = 1;
    const timer = setInterval(() => {
      const message = () => JSON.stringify({ id: id++, method: 'Runtime.getHeapUsage' });
      for (const sessionId of workers) cdp.send('Target.sendMessageToTarget', { sessionId, message: message() }).catch(() => {});
    }, 10);
    try {
      for (let tries = 0; tries < 3 && (most === 0 || most > 32 * MIB); tries++) {
        await fresh();
        most = 0;
        for (const from of ['network', 'cache']) {
          const seen = await visit(page, '/t/heavy.gguf', { contextSize: 64, threads: 2 });
          assert.deepEqual(seen.origins, [from], seen.message);
          const { weights, kv, wasm } = seen.info.memory;
          assert.ok(wasm <= weights + kv + 64 * MIB, `${wasm} bytes of WebAssembly memory`);
        }
      }
    } finally {
      clearInterval(timer);
    }
    await cdp.send('Target.setAutoAttach', { autoAttach: false, waitForDebuggerOnStart: false, flatten: false });
    t.diagnostic(`at most ${(most / MIB).toFixed(1)} MiB in one of ${workers.length} workers`);
    assert.ok(most > 0 && most <= 32 * MIB, `${most} bytes`);
  });

  test('a dropped file is read where it lies', async () => {
    await fresh();
    const file = join(folder, 'dropped.gguf');
    writeFileSync(file, small);
    await page.evaluate(() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'pick' })));
    await page.setInputFiles('#pick', file);
    const ids = await page.evaluate(async () => {
      const { load: open } = await import('../src/tally.js');
      const model = await open(document.getElementById('pick').files[0]);
      const got = [];
      for await (const chunk of model.generate('hello', { temperature: 0, maxTokens: 12 })) got.push(...chunk.ids);
      await model.close();
      return got;
    });
    assert.deepEqual(ids, expected);
  });

  test("works under default-src 'self'; script-src 'self' 'wasm-unsafe-eval'", async () => {
    await page.goto(`${strictBase}/tests/blank.html`);
    const seen = await visit(page, '/t/small.gguf', { threads: 2, cache: false });
    assert.deepEqual(seen.ids, expected, seen.message);
  });

  test('works as one file', async () => {
    await page.goto(`${plainBase}/tests/blank.html`);
    const seen = await visit(page, '/t/small.gguf', { cache: false }, '../dist/inline.js');
    assert.deepEqual(seen.ids, expected, seen.message);
  });

  /* A page that has coi.js, from a server that sends no headers but these. */
  const pageWithCoi = (headers) => {
    const site = new Site({ isolated: false, policy: null });
    site.put('/coi.js', readFileSync(new URL('../src/coi.js', import.meta.url)));
    site.put('/page.html', Buffer.from('<!doctype html><script src="coi.js"></script>'));
    const types = { '/coi.js': 'text/javascript', '/page.html': 'text/html' };
    site.send = (q, r, file) => r.writeHead(200, { 'Content-Type': types[new URL(q.url, 'http://x').pathname], ...headers }).end(file.bytes);
    return site;
  };

  test('coi.js isolates a page whose server sends no headers', async () => {
    const site = pageWithCoi({});
    const origin = await listen(site.server);
    await page.goto(`${origin}/page.html`);
    await page.waitForFunction(() => crossOriginIsolated);
    await stop(site.server);
  });

  test('coi.js warns, and throws nothing, where no service worker may be', async () => {
    const site = pageWithCoi({ 'Content-Security-Policy': "worker-src 'none'" });
    const origin = await listen(site.server);
    const thrown = [];
    const onError = (e) => thrown.push(e.message);
    page.on('pageerror', onError);
    const warning = page.waitForEvent('console', { predicate: (m) => m.type() === 'warning' && m.text().startsWith('coi.js: ') });
    await page.goto(`${origin}/page.html`);
    assert.match((await warning).text(), /goes on with one thread/);
    assert.deepEqual(thrown, []);
    page.off('pageerror', onError);
    await stop(site.server);
  });

  test('a worker or a module that never comes can be aborted', async () => {
    await fresh();
    for (const option of ['workerUrl', 'wasmUrl']) {
      let wasAsked;
      const asked = new Promise((resolve) => (wasAsked = resolve));
      isolated.put(`/t/never-${option}`, small, { late: () => (wasAsked(), new Promise(() => {})) });
      const loading = page.evaluate(async (name) => {
        const { load: open } = await import('../src/tally.js');
        globalThis.controller = new AbortController();
        return open('/t/small.gguf', { [name]: `/t/never-${name}`, signal: globalThis.controller.signal }).catch((e) => e.code);
      }, option);
      await asked;
      await page.evaluate(() => globalThis.controller.abort());
      assert.equal(await loading, 'aborted', option);
    }
  });

  test('a thread that traps rejects what is pending', async () => {
    await fresh();
    const script = (text) => [Buffer.from(text), { type: 'text/javascript' }];
    isolated.put('/t/trap.js', ...script("addEventListener('message', ({ data }) => data.lend && (data.lend.slot = 1025));"));
    isolated.put('/t/trapping-worker.js', ...script("import './trap.js';\nimport '/src/worker.js';"));
    const seen = await visit(page, '/t/small.gguf', { threads: 2, cache: false, workerUrl: '/t/trapping-worker.js' });
    assert.equal(seen.code, 'internal');
    assert.match(seen.message, /please report/);
  });

  test('a worker or a module that cannot be had is an error, not silence', async () => {
    await fresh();
    const seen = await visit(page, '/t/small.gguf', { workerUrl: '/src/nothing.js' });
    assert.equal(seen.code, 'internal');
    const other = await visit(page, '/t/small.gguf', { wasmUrl: '/wasm/nothing.wasm' });
    assert.equal(other.code, 'network');
    const nowhere = await visit(page, 'http://localhost:1/x.gguf');
    assert.equal(nowhere.code, 'network');
    assert.match(nowhere.message, /cannot be reached/);
  });
});

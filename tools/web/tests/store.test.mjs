/* store.test.mjs: the cache's failures, on a private file system in memory; what it does in a browser is in browser.test.mjs. */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { cache } from '../src/node.js';
import { Store } from '../src/store.js';
import { listen, stop } from './chromium.mjs';
import { bytes, code } from './rig.mjs';

const server = createServer((q, r) => {
  if (q.url === '/tiny.gguf') r.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  else r.writeHead(q.headers.range ? 206 : 200, { etag: '"1"' }).end(q.headers.range ? bytes.subarray(1000) : bytes); /* which range it is, is not said */
});
let base;
before(async () => {
  base = await listen(server);
});
after(() => stop(server));

/* The private file system in memory, without the handles that write. broken: names of files that are listed and cannot be opened. */
const fakeFolder = (files, broken = []) => ({
  asked: new Set(),
  async *keys() {
    yield* Object.keys(files);
  },
  async getFileHandle(name) {
    this.asked.add(name);
    if (files[name] === undefined) throw new DOMException(`no ${name}`, 'NotFoundError');
    return {
      getFile: async () => {
        if (broken.includes(name) && (files[name].opened = (files[name].opened ?? 0) + 1) > 1) throw new DOMException(`${name} went away`, 'NotFoundError');
        return files[name];
      },
    };
  },
  removeEntry: async (name) => void delete files[name],
});
const storeOn = (fake) => {
  const notices = [];
  return { store: new Store(fake, undefined, (text) => notices.push(text)), notices, call: { signal: new AbortController().signal } };
};
const read = async (chunks) => {
  let n = 0;
  for await (const chunk of chunks) n += chunk.length;
  return n;
};

test('a cache that fails, or loses a file meanwhile, costs a notice and not the load', async () => {
  const url = `${base}/tiny.gguf`;
  const empty = fakeFolder({});
  const first = storeOn(empty);
  assert.equal(await read((await first.store.source(url, 'tiny', {}, first.call)).chunks), bytes.length);
  const key = [...empty.asked].find((name) => name.endsWith('.part')).replace('.part', '');
  const entry = { [`${key}.json`]: new Blob([JSON.stringify({ url })]), [`${key}.gguf`]: new Blob([bytes]) };
  const whole = storeOn(fakeFolder({ ...entry }));
  assert.equal((await whole.store.source(url, 'tiny', {}, whole.call)).from, 'cache');
  const losing = storeOn(fakeFolder({ ...entry }, [`${key}.gguf`]));
  const again = await losing.store.source(url, 'tiny', {}, losing.call);
  assert.equal(again.from, 'network');
  assert.equal(await read(again.chunks), bytes.length);
  assert.match(losing.notices[0], /^tiny: the copy in the cache cannot be read: .*went away/);
  const broken = storeOn(Object.assign(fakeFolder({}), { keys: () => assert.fail('the disk is on fire') }));
  assert.equal(await read((await broken.store.source(url, 'tiny', {}, broken.call)).chunks), bytes.length);
  assert.match(broken.notices[0], /^no cache: the disk is on fire/);
});

test('a server that does not say which range it sends is asked for the whole file', async () => {
  const { store, call } = storeOn(fakeFolder({}));
  const response = await store.ask(`${base}/unsaid.gguf`, {}, { size: 1000, tag: '"1"' }, call);
  assert.equal(response.status, 200);
  assert.equal((await response.arrayBuffer()).byteLength, bytes.length);
});

test('under Node there is no cache, and nothing complains', async () => {
  assert.deepEqual(await cache.list(), []);
  assert.equal(await cache.size(), 0);
  assert.equal(await cache.delete(), 0);
  assert.equal(await cache.delete(new URL('https://example.com/a.gguf')), 0);
  for (const what of [null, 5, {}]) await assert.rejects(cache.delete(what), code('usage', /, expected a string or a URL$/));
});

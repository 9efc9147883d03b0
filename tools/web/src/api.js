/* api.js: load, forecast and cache, for a host that says how to start workers and what a source is. */

import { TallyError, usage } from './errors.js';
import { Link } from './link.js';
import { Model } from './model.js';
import { checkKinds, checkNames, checkNumber, isRecord, shown } from './options.js';
import { openStore } from './store.js';

const PIECE = 1 << 20;
const MOST_THREADS = 8;
const MIB = 1 << 20;
const KINDS = { signal: 'signal', logger: 'logger', wasmUrl: 'address', workerUrl: 'address', onProgress: 'function', cache: 'flag', sha256: 'digest' };
const LOAD = ['headers', 'threads', 'contextSize', ...Object.keys(KINDS)];
const QUIET = ['memoryLimitMiB']; /* for tests of small memories */

/* Bytes in memory, piece by piece, each a copy that can be handed to the worker. */
function* pieces(bytes) {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.slice(at, at + PIECE);
}

/* What f makes of a path or a URL. */
function address(name, value, f) {
  try {
    return f(value);
  } catch (e) {
    throw new TallyError('usage', `${name}: '${value}' is no address: ${e.message}`, { cause: e });
  }
}

/* Ends a source of which no more is wanted. It may be in the midst of a read that never ends, and what has failed is told already. */
async function abandon(chunks) {
  try {
    await chunks?.return?.();
  } catch {}
}

/* What the worker can open by itself, or a stream that it asks us for. */
function describeSource(host, source) {
  const plain = address('load', source, host.source); /* null: it is neither */
  if (plain) return { plain };
  if (typeof Blob !== 'undefined' && source instanceof Blob) return { plain: { blob: source } };
  const bytes = source instanceof ArrayBuffer ? new Uint8Array(source) : source;
  if (bytes instanceof Uint8Array) return { plain: { stream: true, size: bytes.length }, chunks: pieces(bytes) };
  const reader = source?.getReader?.(); /* a stream that is read so can be cancelled while it keeps us waiting */
  if (reader) return { plain: { stream: true }, chunks: { next: () => reader.read(), return: () => reader.cancel() } };
  const iterator = source?.[Symbol.asyncIterator]?.() ?? source?.[Symbol.iterator]?.();
  usage(iterator, `load: the source is ${shown(source)}, expected ${host.sources}, a Blob, an ArrayBuffer or an iterable of Uint8Array`);
  return { plain: { stream: true }, chunks: iterator };
}

function sourceOf(host, source) {
  try {
    return describeSource(host, source);
  } catch (e) {
    if (e instanceof TallyError) throw e;
    throw new TallyError('usage', `load: the source cannot be read: ${e.message}`, { cause: e }); /* such as a stream that another reads */
  }
}

async function nextChunk(chunks) {
  const { value, done } = await chunks.next();
  if (done) return null;
  if (value instanceof Uint8Array) return value.length < value.buffer.byteLength ? value.slice() : value; /* a message carries the whole buffer */
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TallyError('usage', 'load: the source yielded something that is no Uint8Array');
}

function checkOptions(call, o) {
  checkNames(call, o, LOAD, QUIET);
  checkKinds(o, KINDS);
  if (o.threads !== undefined) checkNumber('threads', o.threads, 1, 64, true);
  if (o.contextSize !== undefined) checkNumber('contextSize', o.contextSize, 1, 2 ** 30, true);
}

const canBe = (name, value) => {
  try {
    return Boolean(new Headers([[name, value]]));
  } catch {
    return false;
  }
};

/* As a record, which can be sent to the worker. A value may be a secret, so no message tells it. */
function checkHeaders(headers) {
  usage(headers instanceof Headers || isRecord(headers), `headers is ${shown(headers)}, expected an object`);
  const all = headers instanceof Headers ? [...headers] : Object.entries(headers);
  for (const [name, value] of all) {
    usage(canBe(name, ''), `headers: '${name}' cannot be the name of a header`);
    usage(typeof value === 'string', `headers: '${name}' is ${shown(value)}, expected a string`);
    usage(canBe(name, value), `headers: the value of '${name}' holds a character that no header can`);
  }
  return Object.fromEntries(new Headers(all));
}

/* The module of a host that has it at hand. */
async function carried(host) {
  try {
    return await host.module?.(host.shared);
  } catch (e) {
    throw new TallyError('unsupported', `the WebAssembly module cannot be compiled: ${e.message}; does the page's policy allow 'wasm-unsafe-eval'?`, { cause: e });
  }
}

async function workerOptions(host, plain, headers, o) {
  const { contextSize, sha256, cache } = o;
  const threads = host.shared ? o.threads ?? Math.max(1, Math.min(MOST_THREADS, Math.floor(host.cpus / 2))) : 1;
  if (!host.shared && o.threads > 1) o.logger?.warn?.('one thread is used: the page is not cross-origin isolated (see coi.js)');
  const wasmUrl = o.wasmUrl === undefined ? undefined : address('wasmUrl', o.wasmUrl, host.absolute);
  const memoryLimit = o.memoryLimitMiB && o.memoryLimitMiB * MIB;
  const module = wasmUrl ? undefined : await carried(host);
  return { source: plain, threads, shared: host.shared, headers, contextSize, sha256, cache, wasmUrl, module, memoryLimit };
}

export function makeApi(host) {
  async function run(name, source, o) {
    const headers = o.headers === undefined ? undefined : checkHeaders(o.headers);
    const workerUrl = o.workerUrl === undefined ? undefined : address('workerUrl', o.workerUrl, host.absolute);
    const { plain, chunks } = sourceOf(host, source);
    let link;
    const on = {
      progress: (p) => o.onProgress?.(p),
      log: ({ level, message }) => o.logger?.[level]?.(message),
      pull: () => nextChunk(chunks),
      enough: () => chunks.return?.(),
    };
    try {
      link = new Link(host, workerUrl);
      return { link, value: await link.call(name, await workerOptions(host, plain, headers, o), { signal: o.signal, on }) };
    } catch (e) {
      abandon(chunks);
      link?.end();
      await link?.gone;
      throw e;
    }
  }

  async function load(source, options = {}) {
    checkOptions('load', options);
    const { link, value } = await run('load', source, options);
    link.memory = value.memory;
    link.cancelWord = value.cancelWord;
    return new Model(link, value.info);
  }

  async function forecast(source, options = {}) {
    checkOptions('forecast', options);
    const { link, value } = await run('forecast', source, { ...options, cache: false, onProgress: undefined });
    link.end();
    await link.gone;
    return value;
  }

  const store = () => openStore(host.storage, host.locks, () => {});
  const cache = {
    list: async () => ((await (await store())?.entries()) ?? []).map(({ key, url, size, etag, lastModified, complete }) => ({ key, url, size, etag, lastModified, complete })),
    async delete(keyOrUrl) {
      checkKinds({ keyOrUrl }, { keyOrUrl: 'address' });
      const names = keyOrUrl === undefined ? undefined : [String(keyOrUrl), address('cache.delete', keyOrUrl, host.absolute)];
      return (await (await store())?.delete(names)) ?? 0;
    },
    size: async () => (await cache.list()).reduce((sum, entry) => sum + entry.size, 0),
  };
  return { load, forecast, cache };
}

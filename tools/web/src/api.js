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

/* What the worker can open by itself, or a stream that it asks us for. */
function describeSource(host, source) {
  const plain = address('load', source, host.source); /* null: it is neither */
  if (plain) return { plain };
  if (typeof Blob !== 'undefined' && source instanceof Blob) return { plain: { blob: source } };
  const bytes = source instanceof ArrayBuffer ? new Uint8Array(source) : source;
  if (bytes instanceof Uint8Array) return { plain: { stream: true, size: bytes.length }, chunks: pieces(bytes) };
  const iterator = source?.[Symbol.asyncIterator]?.() ?? source?.[Symbol.iterator]?.();
  if (iterator) return { plain: { stream: true }, chunks: iterator };
  const reader = source?.getReader?.(); /* a ReadableStream where it cannot be iterated */
  usage(reader, `load: expected ${host.sources}, a Blob, an ArrayBuffer or an iterable of Uint8Array`);
  return { plain: { stream: true }, chunks: { next: () => reader.read(), return: () => reader.cancel() } };
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

async function workerOptions(host, plain, headers, o) {
  const { contextSize, sha256, cache } = o;
  const threads = host.shared ? o.threads ?? Math.max(1, Math.min(MOST_THREADS, Math.floor(host.cpus / 2))) : 1;
  if (!host.shared && o.threads > 1) o.logger?.warn?.('one thread is used: the page is not cross-origin isolated (see coi.js)');
  const wasmUrl = o.wasmUrl === undefined ? undefined : address('wasmUrl', o.wasmUrl, host.absolute);
  const memoryLimit = o.memoryLimitMiB && o.memoryLimitMiB * MIB;
  const module = wasmUrl ? undefined : await host.module?.(host.shared);
  return { source: plain, threads, shared: host.shared, headers, contextSize, sha256, cache, wasmUrl, module, memoryLimit };
}

export function makeApi(host) {
  async function run(name, source, o) {
    const headers = o.headers === undefined ? undefined : checkHeaders(o.headers);
    const { plain, chunks } = describeSource(host, source);
    const link = new Link(host, o.workerUrl === undefined ? undefined : address('workerUrl', o.workerUrl, host.absolute));
    const on = {
      progress: (p) => o.onProgress?.(p),
      log: ({ level, message }) => o.logger?.[level]?.(message),
      pull: () => nextChunk(chunks),
      enough: () => chunks.return?.(),
    };
    try {
      return { link, value: await link.call(name, await workerOptions(host, plain, headers, o), { signal: o.signal, on }) };
    } catch (e) {
      link.end();
      await link.gone;
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
    delete: async (keyOrUrl) => (await (await store())?.delete(keyOrUrl)) ?? 0,
    size: async () => (await cache.list()).reduce((sum, entry) => sum + entry.size, 0),
  };
  return { load, forecast, cache };
}

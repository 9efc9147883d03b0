/* store.js: downloaded models in the browser's private file system (OPFS). An entry is KEY.json (address, validators, size) beside KEY.gguf, or
 * KEY.part while it is not complete. KEY is made of URL, ETag or Last-Modified, and size, so a file that changed is another entry.
 *
 * A part is written by one tab at a time, under a Web Lock, by a synchronous handle (which only workers have); a complete file is only ever
 * read, through getFile(), so any number of tabs may. Whatever goes wrong with the store costs a notice, never the load. */

import { TallyError, aborted } from './errors.js';
import { blobSource, request, sizeOf, streamChunks } from './streams.js';

const FOLDER = 'tally-models';

/* FNV-1a in two halves: a name for a file, nothing secret. */
function keyOf(url, tag, size) {
  let a = 0x811c9dc5;
  let b = 0xcbf29ce4;
  for (const byte of new TextEncoder().encode(`${url}\n${tag}\n${size}`)) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x01000193) ^ (a >>> 13);
  }
  return [a, b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/* The store, or undefined with a notice of why. A host without storage has no store to miss. */
export async function openStore(storage, locks, warn) {
  if (!storage) return undefined;
  try {
    const root = await storage();
    if (!root) {
      warn('no cache: this browser offers no private file system here (it needs https or localhost)');
      return undefined;
    }
    return new Store(await root.getDirectoryHandle(FOLDER, { create: true }), locks, warn);
  } catch (e) {
    warn(`no cache: the private file system cannot be opened: ${e.message}`);
    return undefined;
  }
}

export class Store {
  constructor(folder, locks, warn) {
    this.folder = folder;
    this.locks = locks;
    this.warn = warn;
  }

  async entries() {
    const found = [];
    const keys = new Set();
    for await (const name of this.folder.keys()) keys.add(name.replace(/\.\w+$/, ''));
    for (const key of keys) {
      try {
        const meta = JSON.parse(await (await this.file(`${key}.json`)).text());
        const whole = await this.file(`${key}.gguf`).catch(() => null);
        const data = whole ?? (await this.file(`${key}.part`).catch(() => null));
        if (data) found.push({ ...meta, key, size: data.size, complete: Boolean(whole) });
      } catch {
        await this.remove(key); /* half written, or half removed */
      }
    }
    return found;
  }

  async file(name) {
    return (await this.folder.getFileHandle(name)).getFile();
  }

  /* The data first: a part that a tab is writing cannot go, and so keeps its entry. Gives back whether all of it went. */
  async remove(key) {
    try {
      for (const end of ['gguf', 'part', 'json'])
        await this.folder.removeEntry(`${key}.${end}`).catch((e) => {
          if (e.name !== 'NotFoundError') throw e;
        });
      return true;
    } catch {
      return false;
    }
  }

  /* names: keys or URLs; without them, everything. */
  async delete(names) {
    let gone = 0;
    for (const e of await this.entries()) if ((!names || names.includes(e.key) || names.includes(e.url)) && (await this.remove(e.key))) gone++;
    return gone;
  }

  /* The entries of an address; none, with a notice, where the store cannot be read. */
  async known(url) {
    try {
      return (await this.entries()).filter((e) => e.url === url);
    } catch (e) {
      this.warn(`no cache: ${e.message}`);
      return [];
    }
  }

  /* The model at url: from here where it is the one that the server has now, else from there into here. */
  async source(url, name, headers, call) {
    const known = await this.known(url);
    const part = known.find((e) => !e.complete && e.tag && e.size > 0);
    let response;
    try {
      response = await this.ask(url, headers, part, call);
    } catch (e) {
      const kept = e.code === 'network' && (await this.stored(known.find((k) => k.complete), name));
      if (!kept) throw e;
      this.warn(`${e.message}; the copy in the cache is used`);
      return kept;
    }
    const remote = describe(response, url, part);
    const kept = await this.stored(known.find((e) => e.complete && e.key === remote.key), name);
    if (kept) {
      await drop(response);
      return kept;
    }
    return this.download(response, remote, name, headers, call);
  }

  async ask(url, headers, part, call) {
    if (part) {
      const resumed = await request(url, { ...headers, Range: `bytes=${part.size}-`, 'If-Range': part.tag }, call.signal).catch((e) => {
        if (e.code !== 'network') throw e; /* a server may forbid the headers of a resumption, or have no such range (416); asking without them tells */
      });
      if (resumed && (resumed.status !== 206 || restOf(resumed, part))) return resumed;
      if (resumed) await drop(resumed); /* of some other range, or of one that it does not tell this page */
    }
    const response = await request(url, headers, call.signal);
    if (!response.body) throw new TallyError('network', `${url} answered ${response.status} without a file`);
    return response;
  }

  /* An entry's file, where there is an entry and still its file. */
  async stored(entry, name) {
    if (!entry) return undefined;
    try {
      const source = blobSource(await this.file(`${entry.key}.gguf`), name, 'cache');
      source.discard = () => this.remove(entry.key);
      return source;
    } catch (e) {
      this.warn(`${name}: the copy in the cache cannot be read: ${e.message}`);
      return undefined;
    }
  }

  /* Takes the lock, then hands out chunks as they arrive and writes each down. Another tab may have finished since the entries were read,
   * while this one waited for the lock or for the server. */
  async download(response, remote, name, headers, call) {
    const lock = await this.lock(remote.key, call);
    const kept = await this.stored((await this.known(remote.url)).find((e) => e.key === remote.key && e.complete), name);
    if (kept) {
      lock.release();
      await drop(response);
      return kept;
    }
    const source = { name, size: remote.size, from: 'network' };
    source.chunks = this.chunks(response, remote, source, lock);
    source.discard = () => this.remove(remote.key);
    return source;
  }

  async lock(key, call) {
    if (!this.locks) return { release: () => {} };
    const name = `tally-${key}`;
    const take = (options) =>
      new Promise((taken, failed) => {
        this.locks
          .request(name, options, (lock) => {
            if (!lock) return taken(null);
            return new Promise((release) => taken({ release }));
          })
          .catch((e) => failed(e.name === 'AbortError' ? aborted() : e));
      });
    const lock = await take({ ifAvailable: true });
    if (lock) return lock;
    call.say('another tab is downloading this model; waiting for it');
    return take({ signal: call.signal });
  }

  async *chunks(response, remote, source, lock) {
    let writer;
    try {
      writer = await this.writer(remote);
      let at = remote.resumeAt;
      if (at > 0) {
        const part = await this.file(`${remote.key}.part`);
        if (part.size < at) throw new TallyError('network', `${source.name}: another tab began its download anew: load it again`);
        source.from = 'cache';
        yield* streamChunks(part.slice(0, at).stream(), source.name, 'cache');
        source.from = 'network';
      }
      for await (const chunk of streamChunks(response.body, source.name, 'network')) {
        if (writer && !writer.write(chunk, at)) writer = await this.giveUp(writer, remote);
        at += chunk.length;
        yield chunk;
      }
      if (remote.size !== undefined && at < remote.size)
        throw new TallyError('network', `${source.name}: the download broke off after ${at} of ${remote.size} bytes: load it again to resume`);
      if (writer) await this.complete(writer, remote);
      writer = undefined;
    } finally {
      writer?.close();
      lock.release();
    }
  }

  /* A handle on the part, cut to what is resumed; undefined, with a notice, where none is to be had. */
  async writer(remote) {
    const { key, url, etag, lastModified, tag } = remote;
    let handle;
    try {
      /* The part first: while it is open, no other tab takes an unfinished entry for a broken one. */
      handle = await (await this.folder.getFileHandle(`${key}.part`, { create: true })).createSyncAccessHandle();
      if (remote.resumeAt === 0) {
        handle.truncate(0);
        const sidecar = await (await this.folder.getFileHandle(`${key}.json`, { create: true })).createSyncAccessHandle();
        sidecar.truncate(0);
        sidecar.write(new TextEncoder().encode(JSON.stringify({ url, etag, lastModified, tag })), { at: 0 });
        sidecar.close();
      }
      return {
        close: () => handle.close(),
        write: (chunk, at) => {
          try {
            if (handle.write(chunk, { at }) === chunk.length) return true;
            this.warn('no cache: the browser wrote only a part of the data; is the disk full?');
          } catch (e) {
            this.warn(`no cache: ${e.name === 'QuotaExceededError' ? "the browser's quota for this site is full" : e.message}`);
          }
          return false;
        },
        flush: () => handle.flush(),
      };
    } catch (e) {
      handle?.close();
      this.warn(`no cache: ${e.message}`);
      return undefined;
    }
  }

  async giveUp(writer, remote) {
    writer.close();
    await this.remove(remote.key);
    return undefined;
  }

  /* The part becomes the file; older files of the same address go. */
  async complete(writer, remote) {
    try {
      writer.flush();
      writer.close();
      const handle = await this.folder.getFileHandle(`${remote.key}.part`);
      await handle.move(`${remote.key}.gguf`);
      for (const e of await this.entries()) if (e.url === remote.url && e.key !== remote.key) await this.remove(e.key);
    } catch (e) {
      this.warn(`no cache: the download cannot be kept: ${e.message}`);
    }
  }
}

/* An answer of which nothing is wanted. That it has failed meanwhile is no loss. */
const drop = (response) => response.body.cancel().catch(() => {});

/* What shows that a file is the same. A weak ETag (W/) promises no equal bytes, so nothing is resumed by it. */
function tagOf(response) {
  const etag = response.headers.get('etag');
  return etag && !etag.startsWith('W/') ? etag : response.headers.get('last-modified');
}

/* The size of the file of which the answer is what a part lacks; undefined where it is something else. */
function restOf(response, part) {
  const range = /bytes (\d+)-\d+\/(\d+)/.exec(response.headers.get('content-range') ?? '');
  return response.status === 206 && range && Number(range[1]) === part?.size && tagOf(response) === part.tag ? Number(range[2]) : undefined;
}

/* What the server says that it has, and from where on it sends. */
function describe(response, url, part) {
  const etag = response.headers.get('etag');
  const lastModified = response.headers.get('last-modified');
  const rest = restOf(response, part);
  const size = rest ?? sizeOf(response);
  if (response.status === 206 && !rest) throw new TallyError('network', `${url} answered with a range that nobody asked for`);
  return { url, etag, lastModified, tag: tagOf(response), size, key: keyOf(url, etag ?? lastModified ?? '', size), resumeAt: rest ? part.size : 0 };
}

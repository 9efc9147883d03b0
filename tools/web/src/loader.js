/* loader.js: from a stream of bytes to a model in the module's memory. The first bytes collect there until the file's table is complete;
 * the rest goes through a buffer of one piece, so that JavaScript never holds more than the chunk at hand. */

import { MORE, OK, TallyError, aborted } from './errors.js';
import { Sha256 } from './sha256.js';

const PIECE = 1 << 20;
const FIRST = 256 << 10;
const UNKNOWN_SIZE = 2 ** 53 - 1; /* of a stream that does not say: whether it was cut short shows at its end */

/* A buffer in the module that grows. */
class Prefix {
  constructor(wasm) {
    this.wasm = wasm;
    this.cap = FIRST;
    this.n = 0;
    this.at = wasm.alloc(FIRST);
  }

  append(chunk) {
    if (this.n + chunk.length > this.cap) {
      const cap = Math.max(this.cap * 2, this.n + chunk.length);
      const at = this.wasm.alloc(cap);
      this.wasm.u8(at, this.n).set(this.wasm.u8(this.at, this.n));
      this.wasm.free(this.at);
      this.at = at;
      this.cap = cap;
    }
    this.wasm.u8(this.at + this.n, chunk.length).set(chunk);
    this.n += chunk.length;
  }

  free() {
    this.wasm.free(this.at);
  }
}

/* Reads as much as the table needs and parses it. What was read beyond it belongs to the weights, and is in prefix. */
export async function readHeader(wasm, source, signal) {
  const prefix = new Prefix(wasm);
  const size = source.size ?? UNKNOWN_SIZE;
  let want = Math.min(FIRST, size);
  const hash = new Sha256();
  for (;;) {
    let ended = false;
    while (prefix.n < want && !ended) {
      const { value, done } = await source.chunks.next();
      if (signal.aborted) throw aborted();
      ended = done;
      if (!done && source.hashed) hash.update(value);
      if (!done) prefix.append(value);
    }
    /* Where the end came early, that is the size, and the parser says what is missing. */
    const status = wasm.exports.web_parse(prefix.at, prefix.n, ended ? prefix.n : size);
    if (status === OK) return { prefix, hash, tableBytes: wasm.numbers(1)[0], size };
    if (status !== MORE) throw named(source, wasm.error(status));
    want = wasm.numbers(1)[0];
  }
}

/* The library calls a stream "GGUF data"; people know the file by its name. */
function named(source, error) {
  return new TallyError(error.code, error.message.replace(/^GGUF data/, source.name));
}

export async function feedModel(wasm, source, header, call, options) {
  const { prefix, hash } = header;
  const piece = wasm.alloc(PIECE);
  let offset = prefix.n;
  let status = wasm.exports.web_begin();
  if (status === OK) status = wasm.exports.web_feed(0, prefix.at, prefix.n);
  prefix.free();
  const progress = () => call.event('progress', { loaded: offset, total: source.size, from: source.from });
  progress();
  try {
    for (;;) {
      if (status !== OK && status !== MORE) throw named(source, wasm.error(status));
      if (call.signal.aborted) throw aborted();
      const { value, done } = await source.chunks.next();
      if (done) break;
      if (source.hashed) hash.update(value);
      for (let at = 0; at < value.length && (status === MORE || status === OK); at += PIECE) {
        const part = value.subarray(at, at + PIECE);
        wasm.u8(piece, part.length).set(part);
        if (status === MORE) status = wasm.exports.web_feed(offset + at, piece, part.length);
      }
      offset += value.length;
      progress();
    }
  } finally {
    wasm.free(piece);
  }
  if (call.signal.aborted) throw aborted();
  if (status === MORE)
    throw new TallyError('file', `${source.name}: the file ended after ${offset} bytes, before its last weight: it was cut short; load it again`);
  if (source.hashed && hash.hex() !== options.sha256.toLowerCase()) {
    await source.discard?.();
    throw new TallyError('file', `${source.name}: its SHA-256 is ${hash.hex()}, expected ${options.sha256}: it is another file, or was damaged on the way`);
  }
}

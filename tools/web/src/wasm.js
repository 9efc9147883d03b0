/* wasm.js: one instance of the module and the conversions at its border: strings, ids, numbers, statuses. Views on the memory are made anew at
 * each use, because growing it detaches the old ones. The handful of WASI calls that the C library makes are answered here; none of them
 * reaches a system. */

import { OK, TallyError, statusError } from './errors.js';

const PAGE = 65536;
const GIB = 1 << 30;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true }); /* U+FEFF is text like any other */

/* WASI's error numbers. */
const BADF = 8;
const NOSYS = 52;

function wasi(memory, logger) {
  const view = () => new DataView(memory().buffer);
  const write = (fd, list, count, done) => {
    let n = 0;
    let text = '';
    for (let i = 0; i < count; i++) {
      const at = view().getUint32(list + 8 * i, true);
      const bytes = view().getUint32(list + 8 * i + 4, true);
      text += decoder.decode(new Uint8Array(memory().buffer, at, bytes).slice());
      n += bytes;
    }
    view().setUint32(done, n, true);
    logger(text.trimEnd());
    return 0;
  };
  return {
    fd_write: write,
    clock_time_get: (clock, precision, out) => {
      const ms = clock === 0 ? Date.now() : performance.now();
      view().setBigUint64(out, BigInt(Math.round(ms * 1e6)), true);
      return 0;
    },
    clock_res_get: (clock, out) => {
      view().setBigUint64(out, 1000n, true);
      return 0;
    },
    random_get: (at, n) => {
      new Uint8Array(memory().buffer, at, n).set(crypto.getRandomValues(new Uint8Array(n)));
      return 0;
    },
    environ_sizes_get: (count, bytes) => {
      view().setUint32(count, 0, true);
      view().setUint32(bytes, 0, true);
      return 0;
    },
    environ_get: () => 0,
    sched_yield: () => 0,
    fd_prestat_get: () => BADF,
    fd_fdstat_get: () => BADF,
    proc_exit: (code) => {
      throw new Error(`the module ended itself with code ${code}`);
    },
  };
}

/* The largest memory that the engine grants: 4 GiB, where the constructor refuses 2, then 1. */
export function makeMemory(shared, limit = 4 * GIB) {
  for (let bytes = limit; ; bytes /= 2) {
    try {
      const memory = new WebAssembly.Memory({ initial: 256, maximum: bytes / PAGE, shared });
      return { memory, limit: bytes };
    } catch (e) {
      if (bytes <= GIB) throw new TallyError('memory', `this browser grants no WebAssembly memory of ${bytes / GIB} GiB`, { cause: e });
    }
  }
}

export function importsFor(module, memory, logger) {
  const table = wasi(memory, logger);
  const imports = {};
  for (const { module: space, name, kind } of WebAssembly.Module.imports(module)) {
    imports[space] ??= {};
    if (kind === 'memory') imports[space][name] = memory();
    else imports[space][name] = table[name] ?? (() => NOSYS);
  }
  return imports;
}

export class Instance {
  constructor(exports, memory, limit) {
    this.exports = exports;
    this.memory = memory;
    this.limit = limit;
  }

  u8(at, n) {
    return new Uint8Array(this.memory.buffer, at >>> 0, n);
  }

  /* Room for n bytes; the caller frees it. */
  alloc(n) {
    const at = this.exports.web_alloc(n) >>> 0;
    if (at === 0) throw new TallyError('memory', `out of WebAssembly memory: ${n} bytes were asked for, ${this.memory.buffer.byteLength} are in use`);
    return at;
  }

  free(at) {
    this.exports.web_free(at);
  }

  /* Calls f with addresses of copies of the arrays. */
  with(arrays, f) {
    const places = [];
    try {
      for (const array of arrays) {
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        const at = this.alloc(bytes.length);
        places.push(at);
        this.u8(at, bytes.length).set(bytes);
      }
      return f(...places);
    } finally {
      for (const at of places) this.free(at);
    }
  }

  string(at) {
    at >>>= 0;
    const all = new Uint8Array(this.memory.buffer);
    let end = at;
    while (all[end]) end++;
    return decoder.decode(all.slice(at, end));
  }

  error(status) {
    return statusError(status, this.string(this.exports.web_error()));
  }

  /* A call that must succeed. */
  check(status) {
    if (status !== OK) throw this.error(status);
  }

  text() {
    const n = this.exports.web_text_length() >>> 0;
    return n ? decoder.decode(this.u8(this.exports.web_text(), n).slice()) : '';
  }

  ids() {
    const n = this.exports.web_ids_length() >>> 0;
    return n ? [...new Int32Array(this.memory.buffer, this.exports.web_ids() >>> 0, n)] : [];
  }

  numbers(n) {
    return [...new Float64Array(this.memory.buffer, this.exports.web_numbers() >>> 0, n)];
  }

  lines() {
    return this.text()
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t'));
  }
}

export const bytesOf = (text) => encoder.encode(text);

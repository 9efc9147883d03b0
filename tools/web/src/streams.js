/* streams.js: bytes from a blob or a server as { name, size, from, chunks }, with errors that say which of them failed and how. */

import { TallyError, aborted } from './errors.js';

const PIECE = 1 << 20;

/* Reads into one buffer over and over where the stream can: new ones for each chunk would pile up until they are collected. */
function readerOf(stream) {
  try {
    const reader = stream.getReader({ mode: 'byob' });
    let buffer = new ArrayBuffer(PIECE);
    const read = async () => {
      const result = await reader.read(new Uint8Array(buffer, 0, PIECE));
      if (result.value) ({ buffer } = result.value);
      return result;
    };
    return { read, cancel: () => reader.cancel() };
  } catch (e) {
    if (!(e instanceof TypeError)) throw e; /* it is no stream of bytes */
    return stream.getReader();
  }
}

/* A chunk is valid until the next one is asked for. */
export async function* streamChunks(stream, name, from) {
  const reader = readerOf(stream);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (e) {
    if (e instanceof TallyError) throw e;
    if (e?.name === 'AbortError') throw aborted();
    const [code, what] = from === 'network' ? ['network', 'the download broke off'] : ['file', 'it cannot be read to its end'];
    throw new TallyError(code, `${name}: ${what}: ${e.message}`, { cause: e });
  } finally {
    reader.cancel().catch(() => {});
  }
}

export function blobSource(blob, name, from) {
  return { name, size: blob.size, from, chunks: streamChunks(blob.stream(), name, from) };
}

/* A response that has the file's bytes, or an error that says what the server answered. */
export async function request(url, headers, signal) {
  let response;
  try {
    /* Not through the browser's own cache: it would hold a second copy. */
    response = await fetch(url, { headers, signal, cache: 'no-store' });
  } catch (e) {
    if (signal.aborted) throw aborted();
    /* Node's own rules for headers. */
    if (/^UND_ERR_(INVALID_ARG|NOT_SUPPORTED)$/.test(e.cause?.code)) throw new TallyError('usage', `${url} was not asked: ${e.cause.message}`, { cause: e });
    throw new TallyError('network', `${url} cannot be reached: ${e.cause?.message || e.message}; is the address right, and does the server allow this page (CORS)?`, {
      cause: e,
    });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new TallyError('network', `${url} answered ${response.status} ${response.statusText}`.trimEnd());
  }
  return response;
}

/* The file's size; undefined where the server is silent or the length is that of a compressed body. */
export function sizeOf(response) {
  const length = response.headers.get('content-length');
  return length === null || response.headers.get('content-encoding') ? undefined : Number(length);
}

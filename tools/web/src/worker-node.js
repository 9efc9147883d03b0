/* worker-node.js: the same as worker.js for Node's worker_threads. */

import { open, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parentPort } from 'node:worker_threads';
import { serve } from './engine.js';
import { TallyError } from './errors.js';

const PIECE = 1 << 20;

async function bytesAt(url, signal) {
  if (url.startsWith('file:')) return readFile(fileURLToPath(url), { signal });
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.arrayBuffer();
}

async function readPath(path) {
  let file;
  try {
    file = await open(path);
  } catch (e) {
    throw new TallyError('file', `cannot open '${path}': ${e.message}`, { cause: e });
  }
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw new TallyError('file', `'${path}' is not a regular file: give the path of a .gguf file`);
  }
  async function* chunks() {
    const buffer = new Uint8Array(PIECE);
    try {
      for (let at = 0; ; ) {
        const { bytesRead } = await file.read(buffer, 0, PIECE, at).catch((e) => {
          throw new TallyError('file', `cannot read '${path}': ${e.message}`, { cause: e });
        });
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
  return { name: path, size: stat.size, from: 'local', chunks: chunks() };
}

serve({
  post: (message) => parentPort.postMessage(message),
  listen: (f) => parentPort.on('message', f),
  compile: async (url, signal) => WebAssembly.compile(await bytesAt(url, signal)),
  readPath,
  storage: undefined,
  locks: undefined,
  turn: () => new Promise((resolve) => setImmediate(resolve)),
});

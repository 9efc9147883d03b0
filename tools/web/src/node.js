/* node.js: the package under Node. */

import { availableParallelism } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { makeApi } from './api.js';
import { TallyError } from './errors.js';

function spawn(url) {
  const worker = new Worker(url ? new URL(url) : new URL('./worker-node.js', import.meta.url));
  let ended = false;
  return {
    post: (message) => worker.postMessage(message),
    listen: (f) => worker.on('message', f),
    failed: (f) => {
      worker.on('error', (e) => f(e.message));
      worker.on('messageerror', (e) => f(e.message));
      worker.on('exit', (code) => ended || f(`it exited with code ${code}`));
    },
    terminate: () => {
      ended = true;
      return worker.terminate();
    },
    /* A model at rest does not keep the process. */
    idle: (yes) => (yes ? worker.unref() : worker.ref()),
  };
}

const isUrl = (text) => /^(https?|file|data|blob):/i.test(text);

export const { load, forecast, cache } = makeApi({
  spawn,
  shared: true,
  cpus: availableParallelism(),
  absolute: (url) => (isUrl(String(url)) ? String(url) : pathToFileURL(String(url)).href),
  source(source) {
    if (typeof source !== 'string' && !(source instanceof URL)) return null;
    const text = String(source);
    if (!isUrl(text)) return { path: text };
    return text.startsWith('file:') ? { path: fileURLToPath(text) } : { url: text };
  },
  sources: 'a path, a URL',
  storage: undefined,
  locks: undefined,
});
export { TallyError };

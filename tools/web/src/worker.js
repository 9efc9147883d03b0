/* worker.js: a browser's worker: the engine of a model, or one of the threads that it computes with; the first message says which. */

import { serve } from './engine.js';

const channel = new MessageChannel();
let turned;
channel.port1.onmessage = () => turned();

async function compile(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  /* Only a response of that type is compiled as it comes, and its machine code kept by the browser; some servers do not know the type. */
  const typed = /^application\/wasm\b/i.test(response.headers.get('content-type') ?? '');
  return typed ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

serve({
  post: (message) => postMessage(message),
  listen: (f) => addEventListener('message', (event) => f(event.data)),
  compile,
  readPath: undefined,
  storage: () => navigator.storage?.getDirectory?.(),
  locks: navigator.locks,
  /* Lets messages in, and is no timer: those sleep in background tabs. */
  turn: () =>
    new Promise((resolve) => {
      turned = resolve;
      channel.port2.postMessage(null);
    }),
});

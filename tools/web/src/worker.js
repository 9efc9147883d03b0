/* worker.js: a browser's worker: the engine of a model, or one of the threads that it computes with; the first message says which. */

import { serve } from './engine.js';

const channel = new MessageChannel();
let turned;
channel.port1.onmessage = () => turned();

async function compile(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  try {
    return await WebAssembly.compileStreaming(response.clone());
  } catch (e) {
    if (!(e instanceof TypeError)) throw e; /* a server that does not know the type application/wasm */
    return WebAssembly.compile(await response.arrayBuffer());
  }
}

serve({
  post: (message, transfer) => postMessage(message, transfer ?? []),
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

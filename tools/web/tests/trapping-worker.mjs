/* trapping-worker.mjs: the worker, but tokenizing "trap" runs into an unreachable instruction and "die" ends the thread. As a thread of the pool it gets
 * an address that is none: with ?at-once one beyond the memory, with ?later one that no atomic instruction takes. */

import { parentPort } from 'node:worker_threads';

const UNREACHABLE = Uint8Array.from('0061736d01000000010401600000030201000705010166000 00a05010300000b'.replace(/ /g, '').match(/../g), (b) => parseInt(b, 16));

const on = parentPort.on.bind(parentPort);
parentPort.on = (event, f) =>
  on(event, (message) => {
    if (message?.lend) message.lend.slot = import.meta.url.endsWith('?later') ? 1025 : 0xfffffff0;
    if (message?.args?.text === 'die') process.exit(3);
    if (message?.args?.text === 'trap') {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(UNREACHABLE));
      Object.defineProperty(message.args, 'text', { get: () => exports.f() });
    }
    return f(message);
  });
await import('../src/worker-node.js');

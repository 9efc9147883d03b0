/* trapping-worker.mjs: the worker, but tokenizing "trap" runs into an unreachable instruction and "die" ends the thread. As a thread of the pool it gets
 * an address that is none: one beyond the memory, or, where it is to trap later, one that no atomic instruction takes. Where files are to be unreadable,
 * they fail as a disk does. The test says which in globalThis.trap, since Node's workers do not see what follows their file's name. */

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { parentPort } from 'node:worker_threads';

const UNREACHABLE = Uint8Array.from('0061736d01000000010401600000030201000705010166000 00a05010300000b'.replace(/ /g, '').match(/../g), (b) => parseInt(b, 16));

const on = parentPort.on.bind(parentPort);
parentPort.on = (event, f) =>
  on(event, (message) => {
    if (message?.lend) message.lend.slot = globalThis.trap === 'later' ? 1025 : 0xfffffff0;
    if (message?.args?.text === 'die') process.exit(3);
    if (message?.args?.text === 'trap') {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(UNREACHABLE));
      Object.defineProperty(message.args, 'text', { get: () => exports.f() });
    }
    return f(message);
  });
if (globalThis.trap === 'unreadable') {
  const { open } = fs;
  fs.open = async (path) => Object.assign(await open(path), { read: () => Promise.reject(new Error('EIO: i/o error, read')) });
  syncBuiltinESMExports();
}
await import('../src/worker-node.js');

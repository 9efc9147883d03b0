/* inline.js: the package in one file (tally/inline): the worker comes from a Blob, the modules from text in this file. inline.mjs joins it with
 * the rest. A page whose policy forbids blob: workers wants the other entry. */

import { makeApi } from './api.js';
import { browserHost } from './browser.js';
import { TallyError } from './errors.js';
import { MODULES, WORKER } from './inline-data.js';
import { chooseModule } from './modules.js';

let workerUrl;
const makeWorker = () => new Worker((workerUrl ??= URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' }))), { type: 'module' });

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return WebAssembly.compile(await new Response(stream).arrayBuffer());
}

async function module(shared) {
  const { fault, level, note } = chooseModule(shared);
  if (fault) return { fault };
  const ending = shared ? '-threads' : '';
  return { note, module: await unpack(MODULES[level + ending] ?? MODULES[`simd128${ending}`]) };
}

export const { load, forecast, cache } = makeApi(browserHost(makeWorker, module));
export { TallyError };

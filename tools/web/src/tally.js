/* tally.js: the package in a browser. */

import { makeApi } from './api.js';
import { browserHost } from './browser.js';
import { TallyError } from './errors.js';

/* The address is spelled out inside the call, because that is the form in which bundlers recognise a worker. */
const makeWorker = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

export const { load, forecast, cache } = makeApi(browserHost(makeWorker));
export { TallyError };

/* browser.js: what api.js must know of a browser, for the two entries that differ only in where the worker's script comes from. */

export function browserHost(makeWorker, module) {
  const absolute = (url) => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  return {
    spawn(url) {
      const worker = url ? new Worker(url, { type: 'module' }) : makeWorker();
      return {
        post: (message) => worker.postMessage(message),
        listen: (f) => (worker.onmessage = (event) => f(event.data)),
        failed: (f) => {
          worker.onerror = (event) => {
            event.preventDefault();
            f(event.message || 'its script cannot be loaded; see workerUrl');
          };
          worker.onmessageerror = () => f('a message could not be read');
        },
        terminate: () => worker.terminate(),
      };
    },
    shared: typeof SharedArrayBuffer !== 'undefined' && globalThis.crossOriginIsolated === true,
    cpus: globalThis.navigator?.hardwareConcurrency ?? 2,
    absolute,
    source: (source) => (typeof source === 'string' || source instanceof URL ? { url: absolute(source) } : null),
    sources: 'a URL',
    storage: () => navigator.storage?.getDirectory?.(),
    locks: globalThis.navigator?.locks,
    module,
  };
}

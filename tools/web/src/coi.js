/* coi.js: cross-origin isolation on a host that cannot send headers (GitHub Pages and other static hosts). Serve it from your own origin and
 * put <script src="coi.js"></script> first in the page: it registers itself as a service worker, which adds the two headers, and loads the
 * page once more. Without it everything works, by one thread.
 *
 * A classic script: it runs as the page's and as the worker's. */

if (typeof window === 'undefined') {
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener('fetch', (event) => {
    const { request } = event;
    if (request.cache === 'only-if-cached' && request.mode !== 'same-origin') return;
    event.respondWith(
      fetch(request).then((response) => {
        if (response.status === 0) return response; /* opaque: its headers cannot be changed */
        const headers = new Headers(response.headers);
        headers.set('Cross-Origin-Opener-Policy', 'same-origin');
        headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
        headers.set('Cross-Origin-Resource-Policy', headers.get('Cross-Origin-Resource-Policy') ?? 'cross-origin');
        const { status, statusText } = response;
        return new Response([101, 204, 205, 304].includes(status) ? null : response.body, { status, statusText, headers });
      }),
    );
  });
} else if (!window.crossOriginIsolated && window.isSecureContext && navigator.serviceWorker) {
  const TRIED = 'tally-coi-tried';
  const isolate = async () => {
    await navigator.serviceWorker.register(document.currentScript.src);
    await navigator.serviceWorker.ready;
    if (sessionStorage.getItem(TRIED)) return; /* once is enough: the browser does not isolate this page */
    sessionStorage.setItem(TRIED, '1');
    window.location.reload();
  };
  isolate().catch((e) => console.warn(`coi.js: the page is not isolated and goes on with one thread: ${e.message}`));
}

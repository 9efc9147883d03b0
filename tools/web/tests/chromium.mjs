/* chromium.mjs: starting Chromium and our server for tests. playwright-core is looked for in TALLY_WEB_TOOLS (a folder with node_modules), so
 * that the package itself depends on nothing. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const PLAYWRIGHT = join(process.env.TALLY_WEB_TOOLS ?? '.', 'node_modules/playwright-core/index.mjs');
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/* Why there is no browser test; false where there is one. */
export const missing = !BROWSER ? 'chromium is not installed' : !existsSync(PLAYWRIGHT) ? 'playwright-core is not in TALLY_WEB_TOOLS' : false;

/* Removes a folder. A browser that has been told to end may still write into its profile, which is no test's failure. */
export function discard(folder) {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch (e) {
    console.error(`left behind: ${e.message}`);
  }
}

export async function openBrowser(options = {}) {
  const { chromium } = await import(pathToFileURL(PLAYWRIGHT).href);
  const profile = mkdtempSync(join(tmpdir(), 'tally-chromium-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: BROWSER, headless: true, args: FLAGS, ...options });
  return {
    context,
    close: async () => {
      await context.close();
      discard(profile);
    },
  };
}

export async function listen(server) {
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return `http://localhost:${server.address().port}`;
}

export function stop(server) {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
}

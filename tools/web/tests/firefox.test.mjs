/* firefox.test.mjs: a smoke test in Firefox, without a driver: it opens a page that does everything by itself and reports to our server. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { load } from '../src/node.js';
import { makeServer } from '../serve.mjs';
import { discard, listen, stop } from './chromium.mjs';
import { tinyModel } from './tiny.mjs';

const FIREFOX = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync);
const PREFS = ['browser.shell.checkDefaultBrowser', 'datareporting.policy.dataSubmissionEnabled', 'app.update.enabled', 'toolkit.telemetry.enabled'];

test('loads, generates, aborts and keeps a model in Firefox', { skip: FIREFOX ? false : 'firefox is not installed', timeout: 300000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tally-firefox-'));
  const path = join(folder, 'tiny.gguf');
  const bytes = tinyModel();
  writeFileSync(path, bytes);
  writeFileSync(join(folder, 'user.js'), PREFS.map((name) => `user_pref("${name}", false);\n`).join(''));
  const model = await load(bytes);
  const ids = [];
  for await (const chunk of model.generate('hello', { temperature: 0, maxTokens: 12 })) ids.push(...chunk.ids);
  await model.close();

  const server = makeServer({ models: [path] });
  const [serve] = server.listeners('request');
  server.removeAllListeners('request');
  const reported = new Promise((resolve) =>
    server.on('request', async (q, r) => {
      if (q.url !== '/result') return serve(q, r);
      let body = '';
      for await (const part of q) body += part;
      r.end();
      return resolve(JSON.parse(body));
    }),
  );
  const base = await listen(server);
  const browser = spawn(FIREFOX, ['--headless', '--no-remote', '--profile', folder, `${base}/tests/firefox.html`], { stdio: 'ignore', detached: true });
  const died = new Promise((_, failed) => browser.on('exit', (code) => failed(new Error(`firefox ended with ${code}`))));
  died.catch(() => {});
  try {
    const seen = await Promise.race([reported, died]);
    assert.equal(seen.error, undefined);
    assert.deepEqual(seen.ids, ids);
    assert.equal(seen.isolated, true);
    assert.equal(seen.code, 'aborted');
    assert.deepEqual([seen.from, seen.kept], [['network', 'cache'], [true]], seen.notices.join());
    t.diagnostic(`${seen.info.backend.description}; ${seen.info.backend.note ?? 'no notes'}`);
  } finally {
    process.kill(-browser.pid);
    await died.catch(() => {});
    await stop(server);
    discard(folder);
  }
});

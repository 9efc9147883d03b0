/* packed.test.mjs: what npm pack makes, installed into fresh projects: its content, Node, tsc --strict in both resolutions, Vite (dev and build),
 * webpack and a plain script. The tools come from TALLY_WEB_TOOLS; what is missing is skipped by name. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { ISOLATION } from '../serve.mjs';
import { discard, listen, missing, openBrowser, stop } from './chromium.mjs';
import { tinyModel } from './tiny.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const TOOLS = process.env.TALLY_WEB_TOOLS ?? '.';
const tool = (name) => join(TOOLS, 'node_modules/.bin', name);
const lacks = (name) => (existsSync(tool(name)) ? false : `${name} is not in TALLY_WEB_TOOLS`);
const bytes = tinyModel();

const SCRIPT = `import { load } from 'tally';
const model = await load('/tiny.gguf', { cache: false });
let ids = [];
for await (const chunk of model.generate('hello', { temperature: 0, maxTokens: 6 })) ids.push(...chunk.ids);
await model.close();
globalThis.answer = ids;
`;
const HTML = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="SCRIPT"></script>';
const MIME = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', wasm: 'application/wasm' };

/* A folder over HTTP, with the tiny model in its root. */
function folderServer(folder) {
  return createServer((q, r) => {
    const path = decodeURIComponent(new URL(q.url, 'http://x').pathname);
    const headers = { ...ISOLATION, 'Content-Type': MIME[path.split('.').pop()] ?? 'application/octet-stream' };
    if (path === '/tiny.gguf') return r.writeHead(200, headers).end(bytes);
    const file = join(folder, path);
    return existsSync(file) ? r.writeHead(200, headers).end(readFileSync(file)) : r.writeHead(404).end();
  });
}

describe('the packed package', { skip: existsSync(tool('tsc')) || existsSync(tool('vite')) ? false : 'there are no tools in TALLY_WEB_TOOLS' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tally-packed-'));
  const installed = join(folder, 'node_modules/tally');
  let browser;
  let page;
  let expected;
  before(async () => {
    const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: PACKAGE, encoding: 'utf8' }));
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
    writeFileSync(join(folder, 'package.json'), '{ "name": "fresh", "private": true, "type": "module" }');
    writeFileSync(join(folder, 'tiny.gguf'), bytes);
    writeFileSync(join(folder, 'main.js'), SCRIPT);
    if (missing) return;
    browser = await openBrowser();
    page = browser.context.pages()[0];
  });
  after(async () => {
    await browser?.close();
    discard(folder);
  });
  const answer = async (url) => {
    const said = [];
    const hear = (m) => said.push(m.text());
    page.on('console', hear);
    page.on('pageerror', hear);
    await page.goto(url);
    await page.waitForFunction(() => globalThis.answer, null, { timeout: 120000 }).catch((e) => assert.fail(`${e.message}: ${said.join('; ')}`));
    return page.evaluate(() => globalThis.answer);
  };

  test('holds what it needs and no more', () => {
    const all = execFileSync('find', [installed, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n').map((f) => f.slice(installed.length + 1));
    for (const name of ['src/tally.js', 'src/node.js', 'src/worker.js', 'src/tally.d.ts', 'wasm/tally-simd128.wasm', 'dist/inline.js', 'README.md', 'LICENSE', 'package.json'])
      assert.ok(all.includes(name), `${name} is missing`);
    assert.deepEqual(all.filter((f) => !/^(src|wasm|dist)\/|^(README\.md|LICENSE|package\.json)$/.test(f)), []);
    for (const wasm of all.filter((f) => f.endsWith('.wasm'))) {
      const packed = execFileSync('gzip', ['-9c', join(installed, wasm)]).length;
      assert.ok(packed <= 300 * 1024, `${wasm}: ${packed} bytes gzipped, at most 300 KB`);
    }
  });

  test('runs under Node', () => {
    writeFileSync(join(folder, 'node.mjs'), SCRIPT.replace("'/tiny.gguf'", "'tiny.gguf'").replace('globalThis.answer = ids;', 'console.log(JSON.stringify(ids));'));
    expected = JSON.parse(execFileSync('node', ['node.mjs'], { cwd: folder, encoding: 'utf8' }));
    assert.ok(expected.length > 0);
  });

  test('satisfies tsc --strict under bundler and node16', { skip: lacks('tsc') }, () => {
    writeFileSync(join(folder, 'every.ts'), readFileSync(new URL('every-export.ts', import.meta.url)));
    for (const [module, resolution] of [['esnext', 'bundler'], ['node16', 'node16']])
      try {
        execFileSync(tool('tsc'), ['--strict', '--noEmit', '--target', 'es2022', '--lib', 'es2022,dom,esnext.disposable', '--types', '', '--module', module, '--moduleResolution', resolution, 'every.ts'], { cwd: folder, encoding: 'utf8' });
      } catch (e) {
        assert.fail(`${resolution}: ${e.stdout}`);
      }
  });

  test('works from a plain script', { skip: missing }, async () => {
    writeFileSync(join(folder, 'plain.js'), SCRIPT.replace("'tally'", "'./node_modules/tally/src/tally.js'"));
    writeFileSync(join(folder, 'plain.html'), HTML.replace('SCRIPT', 'plain.js'));
    const server = folderServer(folder);
    assert.deepEqual(await answer(`${await listen(server)}/plain.html`), expected);
    await stop(server);
  });

  test('works bundled by webpack', { skip: missing || lacks('webpack') }, async () => {
    if (!existsSync(join(folder, 'node_modules/webpack-cli'))) for (const name of ['webpack', 'webpack-cli']) symlinkSync(join(TOOLS, 'node_modules', name), join(folder, 'node_modules', name));
    writeFileSync(join(folder, 'webpack.config.js'), "export default { mode: 'production', entry: './main.js', output: { path: import.meta.dirname + '/packed', publicPath: '/' } };\n");
    execFileSync('node', [tool('webpack'), '--config', 'webpack.config.js'], { cwd: folder, encoding: 'utf8' });
    writeFileSync(join(folder, 'packed/index.html'), HTML.replace('SCRIPT', 'main.js'));
    const server = folderServer(join(folder, 'packed'));
    assert.deepEqual(await answer(`${await listen(server)}/index.html`), expected);
    await stop(server);
  });

  test('works with Vite, built and in development', { skip: missing || lacks('vite') }, async () => {
    writeFileSync(join(folder, 'index.html'), HTML.replace('SCRIPT', '/main.js'));
    writeFileSync(
      join(folder, 'vite.config.js'),
      `const headers = ${JSON.stringify(ISOLATION)};\nexport default { build: { target: 'esnext' }, worker: { format: 'es' }, server: { headers }, clearScreen: false };\n`,
    );
    execFileSync('node', [tool('vite'), 'build', '--outDir', 'vited'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    const server = folderServer(join(folder, 'vited'));
    assert.deepEqual(await answer(`${await listen(server)}/index.html`), expected);
    await stop(server);
    const vite = spawn('node', [tool('vite'), '--port', '0', '--host', 'localhost'], { cwd: folder });
    try {
      const url = await new Promise((found, failed) => {
        let text = '';
        vite.stdout.on('data', (d) => {
          text += d;
          const at = /http:\/\/localhost:(\d+)/.exec(text.replace(/\x1b\[\d+m/g, ''));
          if (at) found(at[0]);
        });
        vite.on('exit', (code) => failed(new Error(`vite ended with ${code}: ${text}`)));
      });
      assert.deepEqual(await answer(`${url}/`), expected);
    } finally {
      vite.kill();
    }
  });
});

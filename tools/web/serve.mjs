/* serve.mjs: a small static server for the chat page and the tests: isolation headers, byte ranges, ETags, and a list of models. It serves this
 * folder and the files that were named, to this machine only unless told otherwise. */

import { execFileSync } from 'node:child_process';
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const FOLDERS = ['demo', 'src', 'wasm', 'dist', 'tests'];
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
export const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
/* Models may come from anywhere; scripts and styles only from here. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src *; img-src 'self' data:";

function send(request, response, path, headers) {
  let stat;
  try {
    stat = statSync(path);
  } catch {
    stat = null;
  }
  if (!stat?.isFile()) return response.writeHead(404, headers).end('not found');
  const etag = `"${stat.size.toString(16)}-${stat.mtimeMs.toString(16)}"`;
  const all = { ...headers, 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream', ETag: etag, 'Accept-Ranges': 'bytes', 'Cache-Control': 'no-cache' };
  if (request.headers['if-none-match'] === etag) return response.writeHead(304, all).end();
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const fresh = !request.headers['if-range'] || request.headers['if-range'] === etag;
  const start = range && fresh ? Number(range[1]) : 0;
  const end = range && fresh && range[2] ? Math.min(Number(range[2]), stat.size - 1) : stat.size - 1;
  if (start > end && stat.size > 0) return response.writeHead(416, { ...all, 'Content-Range': `bytes */${stat.size}` }).end();
  all['Content-Length'] = end - start + 1;
  if (range && fresh) all['Content-Range'] = `bytes ${start}-${end}/${stat.size}`;
  response.writeHead(range && fresh ? 206 : 200, all);
  if (request.method === 'HEAD' || stat.size === 0) return response.end();
  return createReadStream(path, { start, end }).pipe(response);
}

/* models: paths. isolated: whether pages get threads. policy: the page's content security policy. */
export function makeServer({ models = [], isolated = true, policy = POLICY } = {}) {
  const headers = { ...(isolated ? ISOLATION : {}), ...(policy ? { 'Content-Security-Policy': policy } : {}), 'X-Content-Type-Options': 'nosniff' };
  return createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    if (path === '/') return response.writeHead(302, { Location: '/demo/' }).end();
    if (path === '/demo/models.json') {
      const list = models.map((m) => ({ name: basename(m, '.gguf'), url: `../models/${encodeURIComponent(basename(m))}`, bytes: statSync(m).size }));
      return response.writeHead(200, { ...headers, 'Content-Type': TYPES['.json'] }).end(JSON.stringify(list));
    }
    if (path.startsWith('/models/')) {
      const model = models.find((m) => basename(m) === path.slice('/models/'.length));
      return model ? send(request, response, model, headers) : response.writeHead(404, headers).end('not found');
    }
    const local = normalize(path).slice(1);
    if (!FOLDERS.includes(local.split('/')[0])) return response.writeHead(404, headers).end('not found');
    return send(request, response, join(HERE, local.endsWith('/') ? `${local}index.html` : local), headers);
  });
}

function main(args) {
  const models = [];
  let port = 8080;
  let host = '127.0.0.1';
  while (args.length) {
    const a = args.shift();
    if (a === '--port') port = Number(args.shift());
    else if (a === '--host') host = args.shift();
    else if (a.startsWith('-') || !statSync(a, { throwIfNoEntry: false })?.isFile()) {
      console.error(a.startsWith('-') ? 'usage: serve [--port N] [--host NAME] [MODEL.gguf...]' : `serve: '${a}' is no file`);
      process.exit(2);
    } else models.push(a);
  }
  if (!models.length) {
    try {
      models.push(execFileSync(join(HERE, '../fetch-model'), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim());
    } catch {
      console.error('serve: the demo model is not to be had; the page can still open a link or a file');
    }
  }
  const server = makeServer({ models });
  server.on('error', (e) => {
    console.error(`serve: ${e.message}`);
    process.exit(1);
  });
  server.listen(port, host, () => console.log(`http://${host === '127.0.0.1' ? 'localhost' : host}:${server.address().port}/`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));

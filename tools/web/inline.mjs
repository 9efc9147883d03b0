/* inline.mjs: joins the package into one file, dist/inline.js: our modules in the order of their imports, each a function that gives back its
 * exports; the worker's the same way, as text; and the WebAssembly modules, gzipped, as base64. It knows only the forms of import and
 * export that the package uses, and refuses others. */

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const here = new URL('.', import.meta.url);
const IMPORT = /^import \{([^}]*)\} from '\.\/([\w-]+)\.js';\n/gm;
const EXPORT = /^export (?=(?:async )?(?:function\*? |class |const ))/gm;
const variable = (name) => `$${name.replace(/-/g, '_')}`;

/* The script of an entry and all that it imports; the last module's exports stay the script's own. */
function join(entry, virtual = {}) {
  const done = new Set();
  const parts = [];
  const visit = (name, trail) => {
    if (trail.includes(name)) throw new Error(`modules import each other: ${[...trail, name].join(', ')}`);
    if (done.has(name)) return;
    done.add(name);
    const text = virtual[name] ?? readFileSync(new URL(`src/${name}.js`, here), 'utf8');
    for (const [, , from] of text.matchAll(IMPORT)) visit(from, [...trail, name]);
    let body = text.replace(IMPORT, (_, names, from) => `const {${names.replace(/ as /g, ': ')}} = ${variable(from)};\n`);
    if (/^import /m.test(body)) throw new Error(`${name}.js has an import of another form: ${/^import .*/m.exec(body)[0]}`);
    if (name !== entry) {
      const names = [...text.matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm)].map((m) => m[1]);
      body = body.replace(EXPORT, '');
      if (/^export /m.test(body)) throw new Error(`${name}.js has an export of another form: ${/^export .*/m.exec(body)[0]}`);
      body = `const ${variable(name)} = (() => {\n${body}return { ${names.join(', ')} };\n})();\n`;
    }
    parts.push(body);
  };
  visit(entry, []);
  return parts.join('\n');
}

const modules = {};
for (const file of readdirSync(new URL('wasm/', here)).filter((f) => f.endsWith('.wasm')))
  modules[file.replace(/^tally-|\.wasm$/g, '')] = gzipSync(readFileSync(new URL(`wasm/${file}`, here)), { level: 9 }).toString('base64');
const data = `export const WORKER = ${JSON.stringify(join('worker'))};\nexport const MODULES = ${JSON.stringify(modules)};\n`;
const whole = join('inline', { 'inline-data': data });
mkdirSync(new URL('dist/', here), { recursive: true });
writeFileSync(new URL('dist/inline.js', here), whole);
console.log(`inline.js: ${Math.round(whole.length / 1024)} KiB with ${Object.keys(modules).sort().join(', ')}`);

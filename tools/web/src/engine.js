/* engine.js: the worker's half of the package. It answers one call at a time (the page's half queues them); an abort comes at any time.
 * What crosses: { id, call, args } and { abort: id } in; { started } once, { id, value }, { id, error, fatal } and { id, event, data } out. An error
 * that is not a TallyError is a trap or a bug: the module's state is unknown then, and the page ends this worker. A worker that is a thread of
 * another's pool gets { lend } and answers { lent }, or { failed } whenever it ends. */

import { TallyError, aborted, toPlain } from './errors.js';
import { firstSlice, generate } from './generation.js';
import { feedModel, readHeader } from './loader.js';
import { chooseModule } from './modules.js';
import { openSource } from './sources.js';
import { Instance, bytesOf, importsFor, makeMemory } from './wasm.js';

const DEFAULT_CONTEXT = 4096;
/* What a module needs beside the forecast: its own data, the file's table twice while it is read, stacks. */
const SLACK = 64 << 20;
const ENCODE_SPECIAL = 1;
const ENCODE_PARSE = 2;

class Engine {
  constructor(host) {
    this.host = host;
  }

  /* The module on its memory, with threads that the page lends, and a backend opened. */
  async start(call, options) {
    const chosen = options.module ?? (options.wasmUrl ? { url: options.wasmUrl } : chooseModule(options.shared));
    if (chosen.fault) throw new TallyError('unsupported', chosen.fault);
    const module = chosen.module ?? (await this.compile(chosen, call.signal));
    const shared = WebAssembly.Module.exports(module).some((e) => e.name === 'tl_host_thread_new');
    const { memory, limit } = makeMemory(shared, options.memoryLimit);
    const instance = await WebAssembly.instantiate(module, importsFor(module, () => memory, (text) => call.warn(text)));
    instance.exports._initialize?.();
    this.wasm = new Instance(instance.exports, memory, limit);
    const slots = [];
    for (let i = 1; shared && i < options.threads; i++) slots.push(this.thread());
    if (slots.length) await call.ask('spawn', { module, memory, slots });
    this.threads = slots.length + 1;
    this.shared = shared;
    this.wasm.with([bytesOf(`cpu:threads=${this.threads}\0`)], (spec) => this.wasm.check(this.wasm.exports.web_open(spec)));
    this.note = chosen.note ?? this.refusal('relaxed');
  }

  /* Why the module does not run a level; null where it does. */
  refusal(level) {
    this.wasm.with([bytesOf(`cpu:isa=${level},threads=1\0`)], (spec) => this.wasm.check(this.wasm.exports.web_refusal(spec)));
    return this.wasm.text() || null;
  }

  async compile(chosen, signal) {
    try {
      return await this.host.compile(String(chosen.url), signal);
    } catch (e) {
      if (signal.aborted) throw aborted();
      if (chosen.instead) {
        chosen.note = `the module for relaxed SIMD cannot be loaded: ${e.message}`;
        return this.compile({ url: chosen.instead }, signal);
      }
      throw new TallyError('network', `the WebAssembly module ${chosen.url} cannot be loaded: ${e.message}`, { cause: e });
    }
  }

  thread() {
    const slot = this.wasm.exports.tl_host_thread_new() >>> 0;
    if (slot === 0) throw new TallyError('memory', 'no WebAssembly memory for a thread: ask for fewer threads');
    return slot;
  }

  contextSize(options) {
    return options.contextSize ?? DEFAULT_CONTEXT;
  }

  /* Reads the table of the source and says what the model would take. */
  async header(call, options) {
    await this.start(call, options);
    const source = await openSource(this.host, call, options);
    try {
      const header = await readHeader(this.wasm, source, call.signal);
      const forecast = this.forecast(options);
      const needs = forecast.total + SLACK + header.tableBytes;
      return { source, header, needs, forecast: { ...forecast, fits: needs <= forecast.limit } };
    } catch (e) {
      await source.chunks.return?.();
      throw e;
    }
  }

  forecast(options) {
    this.wasm.check(this.wasm.exports.web_forecast(this.contextSize(options)));
    const [weights, kv, activations, workers, total, contextSize] = this.wasm.numbers(6);
    return { weights, kv, activations, workers, total, limit: this.wasm.limit, contextSize, description: this.wasm.text() };
  }

  async forecastOnly(call, options) {
    const { source, forecast } = await this.header(call, options);
    await source.chunks.return?.();
    return forecast;
  }

  async load(call, options) {
    const { source, header, needs, forecast } = await this.header(call, options);
    try {
      if (!forecast.fits) {
        const mib = (n) => `${Math.ceil(n / (1 << 20))} MiB`;
        throw new TallyError(
          'memory',
          `${source.name}: the model needs ${mib(needs)} with a context of ${forecast.contextSize} tokens, WebAssembly memory ends at ${mib(forecast.limit)}: ` +
            'choose a smaller model, a stronger quantization or a smaller contextSize',
        );
      }
      await feedModel(this.wasm, source, header, call, options);
    } finally {
      await source.chunks.return?.();
    }
    this.wasm.check(this.wasm.exports.web_context(this.contextSize(options)));
    const [weights, kv, activations, workers, total, contextSize] = this.wasm.numbers(6);
    this.memory = { weights, kv, activations, workers, total };
    this.contextTokens = contextSize;
    const info = this.info();
    this.slice = firstSlice(info.parameters);
    return { info, memory: this.shared ? this.wasm.memory : null, cancelWord: this.wasm.exports.web_cancel_word() >>> 0 };
  }

  info() {
    this.wasm.check(this.wasm.exports.web_info());
    const fact = Object.fromEntries(this.wasm.lines());
    const number = (name) => Number(fact[name]);
    return {
      description: fact.description,
      architecture: fact.architecture,
      name: fact.name || fact.description,
      parameters: number('parameters'),
      contextSize: this.contextTokens,
      trainedContextSize: number('trainedContextSize'),
      vocabularySize: number('vocabularySize'),
      layers: number('layers'),
      embeddingSize: number('embeddingSize'),
      chatTemplate: fact.chatTemplate || null,
      tokenizer: fact.tokenizer,
      weightBytes: number('weightBytes'),
      memory: { ...this.memory, wasm: this.wasm.memory.buffer.byteLength },
      backend: { description: fact.backend, level: /level (\w+)/.exec(fact.backend)?.[1] ?? '', threads: number('threads'), note: this.note },
      version: fact.version,
    };
  }

  encode(text, flags) {
    const bytes = bytesOf(text);
    this.wasm.with([bytes], (at) => this.wasm.check(this.wasm.exports.web_encode(at, bytes.length, flags)));
    return this.wasm.ids();
  }

  tokenize(call, { text, special, parse }) {
    return this.encode(text, (special ? ENCODE_SPECIAL : 0) | (parse ? ENCODE_PARSE : 0));
  }

  detokenize(call, { ids, special }) {
    this.wasm.with([Int32Array.from(ids)], (at) => this.wasm.check(this.wasm.exports.web_decode(at, ids.length, special ? 1 : 0)));
    return this.wasm.text();
  }

  /* Prompt text of messages. */
  render(messages) {
    const bytes = bytesOf(messages.map((m) => `${m.role}\0${m.content}\0`).join(''));
    this.wasm.with([bytes], (at) => this.wasm.check(this.wasm.exports.web_render(at, messages.length)));
    return this.wasm.text();
  }

  generate(call, { prompt, messages, options }) {
    const parse = options.parseSpecial ?? Boolean(messages);
    const ids = this.encode(messages ? this.render(messages) : prompt, ENCODE_SPECIAL | (parse ? ENCODE_PARSE : 0));
    return generate(this, call, ids, options, !messages && prompt === '');
  }

  /* A step without a name (the preparation of another) belongs to the layer around it. */
  steps(lines) {
    const steps = lines.map(([op, kernel, node, tiles, operations, bytes, ms]) => ({
      op,
      kernel,
      node,
      layer: /^[a-z]+\.\d+\./.test(node) ? Number(node.split('.')[1]) : null,
      tiles: Number(tiles),
      operations: Number(operations),
      bytes: Number(bytes),
      ms: Number(ms),
    }));
    for (const [i, step] of steps.entries())
      if (step.node === '' && i > 0 && i + 1 < steps.length && steps[i - 1].layer === steps[i + 1].layer) step.layer = steps[i - 1].layer;
    return steps;
  }

  plan() {
    this.wasm.check(this.wasm.exports.web_plan());
    return this.steps(this.wasm.lines()).map(({ ms, ...step }) => step);
  }

  profile(call, { reset }) {
    this.wasm.check(this.wasm.exports.web_profile(reset ? 1 : 0));
    return this.steps(this.wasm.lines());
  }
}

const CALLS = {
  load: 'load',
  forecast: 'forecastOnly',
  generate: 'generate',
  tokenize: 'tokenize',
  detokenize: 'detokenize',
  plan: 'plan',
  profile: 'profile',
};

/* One call while it runs: its signal, and ways to talk to the page meanwhile. */
class Call {
  constructor(host, id) {
    this.host = host;
    this.id = id;
    this.controller = new AbortController();
    this.answers = [];
  }

  get signal() {
    return this.controller.signal;
  }

  event(event, data) {
    this.host.post({ id: this.id, event, data });
  }

  warn(message) {
    this.event('log', { level: 'warn', message });
  }

  say(message) {
    this.event('log', { level: 'info', message });
  }

  /* An event that the page answers. An abort does not wait for it. */
  ask(event, data) {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) return reject(aborted());
      const stop = () => reject(aborted());
      this.signal.addEventListener('abort', stop, { once: true });
      this.answers.push((answer) => {
        this.signal.removeEventListener('abort', stop);
        if (answer.error) reject(new TallyError(answer.error.code, answer.error.message));
        else resolve(answer.value);
      });
      this.event(event, data);
    });
  }
}

/* A thread of the pool: runs what the library gives it until the worker is ended. */
async function lend(host, { module, memory, slot }) {
  const instance = await WebAssembly.instantiate(module, importsFor(module, () => memory, () => {}));
  instance.exports.__stack_pointer.value = new DataView(memory.buffer).getUint32(slot, true);
  host.post({ lent: true });
  instance.exports.tl_host_thread_serve(slot);
}

export function serve(host) {
  const engine = new Engine(host);
  const calls = new Map();
  host.listen(async (message) => {
    if (message.lend) return lend(host, message.lend).catch((e) => host.post({ failed: toPlain(e) }));
    if (message.abort !== undefined) return calls.get(message.abort)?.controller.abort();
    if (message.answer !== undefined) return calls.get(message.answer)?.answers.shift()?.(message);
    const call = new Call(host, message.id);
    calls.set(message.id, call);
    try {
      host.post({ id: message.id, value: await engine[CALLS[message.call]](call, message.args) });
    } catch (e) {
      host.post({ id: message.id, error: toPlain(e), fatal: !(e instanceof TallyError) });
    } finally {
      calls.delete(message.id);
    }
  });
  host.post({ started: true });
}

/* node.test.mjs: the package under Node, on the tiny model: every call of the contract, every code of an error, on one thread and on two. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeApi } from '../src/api.js';
import { firstSlice, nextSlice } from '../src/generation.js';
import { Link } from '../src/link.js';
import { TallyError, cache, forecast, load } from '../src/node.js';
import { chatCompletions } from '../src/openai.js';
import { Store } from '../src/store.js';
import { streamChunks } from '../src/streams.js';
import { makeMemory } from '../src/wasm.js';
import { discard } from './chromium.mjs';
import { demoIds, demoModel, demoText, noDemoModel } from './demo.mjs';
import { greedySteps } from './steps.mjs';
import { streamedModel, tinyModel } from './tiny.mjs';

const bytes = tinyModel();
const folder = mkdtempSync(join(tmpdir(), 'tally-web-'));
const path = join(folder, 'tiny.gguf');
writeFileSync(path, bytes);
after(() => discard(folder));

const code = (expected, message) => (e) => {
  assert.ok(e instanceof TallyError, `a TallyError, not ${e}`);
  assert.equal(e.code, expected, e.message);
  if (message) assert.match(e.message, message);
  return true;
};

async function collect(chunks) {
  let text = '';
  const ids = [];
  let last;
  for await (last of chunks) {
    text += last.text;
    ids.push(...last.ids);
  }
  return { ...last, text, ids };
}

const LONG = 'The quick brown fox jumps over a lazy dog. '.repeat(24); /* more than 1,000 tokens of bytes */
const SINGLE = new URL('../wasm/tally-simd128.wasm', import.meta.url); /* for pages that may not share memory */
const GREEDY = { temperature: 0, maxTokens: 12 };
const ENDLESS = { temperature: 0, logitBias: { [256 + 6 + 2]: -1000 } }; /* the tiny model's end token never; so until the context is full */

const trappingWorker = (trap) =>
  `data:text/javascript,${encodeURIComponent(`globalThis.trap = '${trap}'; await import('${new URL('trapping-worker.mjs', import.meta.url)}');`)}`;

/* The calls that were just made are on their way to the worker: that takes promises, and no time. */
async function underWay() {
  for (let i = 0; i < 50; i++) await null;
}

for (const threads of [1, 2])
  describe(`a model on ${threads} thread${threads > 1 ? 's' : ''}`, () => {
    let model;
    before(async () => {
      model = await load(path, { threads, wasmUrl: threads > 1 ? undefined : SINGLE });
    });
    after(() => model.close());

    test('says what it is', () => {
      const { info } = model;
      assert.equal(info.architecture, 'llama');
      assert.equal(info.name, 'Tiny');
      assert.equal(info.layers, 2);
      assert.equal(info.chatTemplate, 'chatml');
      assert.equal(info.contextSize, 2048);
      assert.equal(info.backend.threads, threads);
      assert.equal(info.memory.total, info.memory.weights + info.memory.kv + info.memory.activations + info.memory.workers);
    });

    test('tokenizes there and back', async () => {
      const text = 'Grüße, the 世界!';
      for (const t of [text, '\uFEFFa', '']) assert.equal(await model.detokenize(await model.tokenize(t)), t);
      const [control] = await model.tokenize('<|im_end|>', { parse: true });
      assert.equal(await model.detokenize([control]), '');
      assert.equal(await model.detokenize([control], { special: true }), '<|im_end|>');
      assert.notDeepEqual(await model.tokenize('<|im_end|>'), [control]);
      await assert.rejects(model.tokenize(5), code('usage'));
    });

    test('generates the same from any source of the same bytes, with the usage and timings of it', async () => {
      const a = await collect(model.generate('hello', GREEDY));
      assert.equal(a.ids.length, a.usage.completionTokens);
      assert.equal(a.usage.promptTokens, (await model.tokenize('hello', { special: true })).length);
      assert.ok(a.timings.promptMs >= 0 && a.timings.generateMs > 0 && a.timings.generatePerSecond > 0);
      for (const source of [new Blob([bytes]), bytes.buffer, bytes, pieces(bytes, 1000), asyncPieces(bytes, 77777), new Blob([bytes]).stream()]) {
        const other = await load(source, { threads });
        const b = await collect(other.generate('hello', GREEDY));
        await other.close();
        assert.deepEqual([b.text, b.ids], [a.text, a.ids]);
      }
    });

    test('a seed decides, and is told', async () => {
      const o = { temperature: 1.5, topK: 0, topP: 1, minP: 0, maxTokens: 16 };
      const a = await collect(model.generate('x', o));
      const b = await collect(model.generate('x', { ...o, seed: a.seed }));
      const c = await collect(model.generate('x', { ...o, seed: (a.seed + 1) % 2 ** 32 }));
      assert.deepEqual(a.ids, b.ids);
      assert.notDeepEqual(a.ids, c.ids);
    });

    test('sampler options reach the sampler', async () => {
      const plain = await collect(model.generate('x', GREEDY));
      const banned = await collect(model.generate('x', { ...GREEDY, logitBias: { [plain.ids[0]]: -1000 } }));
      assert.notEqual(banned.ids[0], plain.ids[0]);
      const first = await collect(model.generate('x', { temperature: 100, topK: 1, maxTokens: 12 }));
      assert.deepEqual(first.ids, plain.ids);
      const o = { temperature: 0, maxTokens: 40 };
      const free = await collect(model.generate('x', o));
      const punished = await collect(model.generate('x', { ...o, repeatPenalty: 100, repeatLastN: -1 }));
      assert.ok(new Set(punished.ids).size > new Set(free.ids).size);
    });

    test('tells the likeliest tokens', async () => {
      const { top } = await collect(model.generate('x', { ...GREEDY, maxTokens: 1, top: 5 }));
      assert.equal(top.length, 1);
      assert.equal(top[0].candidates.length, 5);
      assert.deepEqual(top[0].id, top[0].candidates[0].id);
      assert.ok(Math.abs(top[0].probability - top[0].candidates[0].probability) < 1e-12);
      assert.deepEqual([...top[0].candidates].sort((a, b) => b.probability - a.probability), top[0].candidates);
      const { top: all } = await collect(model.generate('x', { ...GREEDY, maxTokens: 1, top: 100 }));
      const sum = all[0].candidates.reduce((s, c) => s + c.probability, 0);
      assert.ok(sum > 0.5 && sum < 1.0000001);
    });

    test('stop strings end the text before them, wherever tokens are cut', async () => {
      const [end] = await model.tokenize('<|im_end|>', { parse: true });
      const o = { temperature: 1, seed: 7, maxTokens: 24, logitBias: { [end]: -1000 } };
      const whole = await collect(model.generate('y', o));
      assert.ok(whole.text.length > 8);
      const at = Math.floor(whole.text.length / 2);
      const stop = whole.text.slice(at, at + 3);
      const cut = await collect(model.generate('y', { ...o, stop: ['never there', stop] }));
      assert.equal(cut.text, whole.text.slice(0, whole.text.indexOf(stop)));
      assert.equal(cut.finishReason, 'stop');
      assert.equal(whole.finishReason, 'length');
    });

    test('a full context ends an answer, a longer prompt is refused', async () => {
      const small = await load(bytes, { threads, contextSize: 64 });
      const r = await collect(small.generate('z'.repeat(50), { temperature: 0 }));
      assert.equal(r.finishReason, 'length');
      assert.equal(r.usage.promptTokens + r.usage.completionTokens, 64);
      await assert.rejects(collect(small.generate('z'.repeat(80))), code('usage', /80 tokens, the context holds 64/));
      await small.close();
    });

    test('a long prompt gives the same bits on any number of threads, at once or in slices', async () => {
      const other = await load(bytes, { threads: 3 - threads });
      const a = await collect(model.generate(LONG, { ...GREEDY, top: 3 }));
      const b = await collect(other.generate(LONG, { ...GREEDY, top: 3 }));
      assert.ok(a.usage.promptTokens > 900);
      assert.deepEqual([a.ids, a.top], [b.ids, b.top]);
      await other.close();
    });

    test('what a session still holds is not computed again', async () => {
      await collect(model.generate('abcdefgh', { ...GREEDY, maxTokens: 1 }));
      const again = await collect(model.generate('abcdefghij', { ...GREEDY, maxTokens: 1 }));
      assert.ok(again.usage.cachedTokens >= 8);
    });

    test('chat completions have the form of OpenAI, streamed or whole', async () => {
      const request = { messages: [{ role: 'user', content: 'hi' }], temperature: 0, max_tokens: 8, logprobs: true, top_logprobs: 2 };
      const whole = await model.chat.completions.create(request);
      assert.equal(whole.object, 'chat.completion');
      assert.match(whole.id, /^chatcmpl-/);
      assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
      assert.equal(whole.choices[0].logprobs.content.length, whole.usage.completion_tokens);
      assert.equal(whole.choices[0].logprobs.content[0].top_logprobs.length, 2);
      let text = '';
      let finish;
      let used;
      for await (const chunk of await model.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
        assert.equal(chunk.object, 'chat.completion.chunk');
        text += chunk.choices[0]?.delta.content ?? '';
        finish = chunk.choices[0]?.finish_reason ?? finish;
        used = chunk.usage;
      }
      assert.equal(text, whole.choices[0].message.content);
      assert.equal(finish, whole.choices[0].finish_reason);
      assert.equal(used.completion_tokens, whole.usage.completion_tokens);
      await assert.rejects(model.chat.completions.create({ ...request, n: 2 }), code('unsupported', /n is not 1/));
      await assert.rejects(model.chat.completions.create({ ...request, tools: [] }), code('unsupported', /'tools'/));
      await assert.rejects(model.chat.completions.create({ messages: [{ role: 'robot', content: '' }] }), code('usage', /robot/));
    });

    test('an abort ends a prompt of 1,000 tokens and the session stays usable', async () => {
      const before = await collect(model.generate('hello', GREEDY));
      await collect(model.generate('another beginning', GREEDY));
      await model.profile({ reset: true });
      const controller = new AbortController();
      const running = assert.rejects(collect(model.generate(LONG, { ...ENDLESS, signal: controller.signal })), code('aborted'));
      await underWay();
      controller.abort();
      await running;
      assert.ok((await operations(model)) < (await tokenOperations(model)) * 900);
      const gone = AbortSignal.abort();
      await assert.rejects(collect(model.generate('x', { signal: gone })), code('aborted'));
      assert.deepEqual((await collect(model.generate('hello', GREEDY))).ids, before.ids);
    });

    test('leaving the loop stops the computation', async () => {
      await model.profile({ reset: true });
      let n = 0;
      for await (const chunk of model.generate('x', ENDLESS)) {
        assert.ok(chunk.ids.length);
        if (++n === 2) break;
      }
      assert.ok((await operations(model)) < (await tokenOperations(model)) * 1900);
      const next = await collect(model.generate('hello', GREEDY));
      assert.equal(next.usage.completionTokens, 12);
    });

    test('calls on a busy model wait for their turn; one that waits can be aborted', async () => {
      const order = [];
      const slow = collect(model.generate(LONG, { ...GREEDY, maxTokens: 30 })).then(() => order.push('slow'));
      const controller = new AbortController();
      const never = collect(model.generate('n', { ...GREEDY, signal: controller.signal }));
      const quick = model.tokenize('quick').then(() => order.push('quick'));
      controller.abort();
      await assert.rejects(never, code('aborted'));
      assert.deepEqual(order, []);
      await Promise.all([slow, quick]);
      assert.deepEqual(order, ['slow', 'quick']);
    });

    test('a loop over an answer may ask the model for something else, and need never be taken up again', async () => {
      const text = [];
      const counted = [];
      for await (const chunk of model.generate('x', GREEDY)) {
        text.push(chunk.text);
        counted.push((await model.tokenize(chunk.text)).length);
      }
      assert.deepEqual([text.join(''), counted.length], [(await collect(model.generate('x', GREEDY))).text, text.length]);
      const left = model.generate('x', GREEDY);
      await left.next();
      assert.equal((await collect(model.generate('hello', GREEDY))).usage.completionTokens, 12);
    });

    test('an abort is heard where all is computed and not yet read', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const chunks = model.generate('x', { ...GREEDY, signal });
      await chunks.next();
      await model.plan(); /* which waited for its turn */
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      controller.abort();
      await assert.rejects(chunks.next(), code('aborted'));
    });

    test('the plan and the profile name layers and times', async () => {
      const plan = await model.plan();
      assert.deepEqual([...new Set(plan.map((s) => s.layer))].filter((l) => l !== null), [0, 1]);
      assert.ok(plan.some((s) => s.op === 'linear' && s.operations > 0 && s.bytes > 0));
      await model.profile({ reset: true });
      await collect(model.generate('profile me', GREEDY));
      const profile = await model.profile();
      assert.equal(profile.length, plan.length);
      assert.ok(profile.reduce((sum, s) => sum + s.ms, 0) > 0);
    });

    test('an option that is not there is refused by name, with its other spelling or all that are', async () => {
      for (const [o, message] of [
        [{ max_tokens: 5 }, /^generate: there is no option 'max_tokens': is 'maxTokens' meant\?$/],
        [{ topp: 1 }, /is 'topP' meant\?$/],
        [{ tempreature: 1 }, /no option 'tempreature', only temperature, .*parseSpecial$/],
        [{ _: 1 }, /no option '_', only/],
        [{ constructor: 1 }, /no option 'constructor', only/],
      ])
        await assert.rejects(collect(model.generate('x', o)), code('usage', message));
      await collect(model.generate('x', { maxTokens: 1, wild: undefined }));
      await assert.rejects(model.tokenize('x', { parseSpecial: true }), code('usage', /^tokenize: .*'parseSpecial', only special, parse$/));
      await assert.rejects(model.detokenize([65], { parse: true }), code('usage', /^detokenize: .*'parse', only special/));
      await assert.rejects(model.profile({ Reset: true }), code('usage', /^profile: .*is 'reset' meant/));
      await assert.rejects(load(path, { context: 64 }), code('usage', /^load: .*'context', only headers, .*contextSize/));
      await assert.rejects(load(path, { n_gpu_layers: 1 }), code('usage', /only headers, [^M]*$/));
      await assert.rejects(forecast(path, { context_size: 1 }), code('usage', /^forecast: .*is 'contextSize' meant/));
      assert.ok((await forecast(path, { onProgress() {}, cache: true, sha256: '0'.repeat(64) })).fits); /* load's options are forecast's */
    });

    test('what is no object in place of the options is refused', async () => {
      const calls = [
        (o) => collect(model.generate('x', o)),
        (o) => load(path, o),
        (o) => forecast(path, o),
        (o) => model.tokenize('x', o),
        (o) => model.detokenize([65], o),
        (o) => model.profile(o),
        (o) => model.chat.completions.create(o),
      ];
      for (const o of [null, 5, 'x', [], true])
        for (const call of calls) await assert.rejects(call(o), code('usage', /the options are .*, expected an object/));
      await assert.rejects(model.chat.completions.create(), code('usage', /the options are undefined/));
    });

    test("OpenAI's fields are heard, ignored, or refused by name", async () => {
      const { create } = model.chat.completions;
      const request = { messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 };
      const idle = { user: 'u', store: true, metadata: { a: 'b' }, n: 1, service_tier: 'auto', prediction: null, tools: null };
      const same = { response_format: { type: 'text' }, tool_choice: 'none', modalities: ['text'], stream_options: null };
      assert.equal((await create({ ...request, ...idle, ...same, model: 'mine' })).model, 'mine');
      for (const o of [{ response_format: { type: 'json_object' } }, { tool_choice: 'auto' }, { functions: [] }, { verbosity: 'low' }, { audio: {} }])
        await assert.rejects(create({ ...request, ...o }), code('unsupported', new RegExp(`'${Object.keys(o)[0]}' is not supported`)));
      for (const [o, message] of [
        [{ maxTokens: 1 }, /no option 'maxTokens': is 'max_tokens' meant/],
        [{ topP: 1 }, /is 'top_p' meant/],
        [{ constructor: 1 }, /no option 'constructor'/],
        [{ toString: 1 }, /no option 'toString'/],
        [{ stream_options: { includeUsage: true } }, /stream_options: there is no option 'includeUsage': is 'include_usage' meant/],
      ])
        await assert.rejects(create({ ...request, ...o }), code('usage', message));
    });

    test("a wrong value in OpenAI's form is told by OpenAI's name, before anything is generated", async () => {
      const request = { messages: [{ role: 'user', content: 'hi' }], stream: true };
      for (const [o, message] of [
        [{ top_p: 2 }, /^top_p is 2, expected/],
        [{ max_tokens: 0 }, /^max_tokens is 0/],
        [{ max_tokens: 1, max_completion_tokens: '5' }, /^max_completion_tokens is the string '5'/],
        [{ logit_bias: { a: 1 } }, /^logit_bias has 'a', expected/],
        [{ logprobs: true, top_logprobs: -1 }, /^top_logprobs is -1, expected an integer from 0 to 100/],
        [{ logprobs: true, top_logprobs: 101 }, /^top_logprobs is 101/],
        [{ top_logprobs: -1 }, /^top_logprobs is -1/],
        [{ top_logprobs: 2 }, /without logprobs: true/],
      ])
        await assert.rejects(model.chat.completions.create({ ...request, ...o }), code('usage', message));
    });

    test("messages in OpenAI's form say what they say in ours", async () => {
      const { create } = model.chat.completions;
      const said = async (...messages) => {
        const { choices, usage } = await create({ messages, max_tokens: 4, temperature: 0 });
        return [choices[0].message.content, usage.prompt_tokens];
      };
      const text = (t) => ({ type: 'text', text: t });
      const user = { role: 'user', content: 'tell me a riddle' };
      assert.deepEqual(await said({ role: 'user', content: [text('tell me '), text('a riddle')] }), await said(user));
      assert.deepEqual(await said({ role: 'developer', content: [text('Be brief')] }, user), await said({ role: 'system', content: 'Be brief' }, user));
      const silent = [{ content: null }, {}, { content: '' }, { content: null, refusal: null, tool_calls: [], annotations: [] }].map((m) => ({ role: 'assistant', ...m }));
      for (const m of silent) assert.deepEqual(await said(user, m, user), await said(user, { role: 'assistant', content: '' }, user));
    });

    test("messages of OpenAI's that this model cannot take are refused by name, before anything is generated", async () => {
      const refused = (m, kind, message) => assert.rejects(model.chat.completions.create({ messages: [{ role: 'user', content: 'hi' }, m], stream: true }), code(kind, message));
      const image = { type: 'image_url', image_url: { url: 'data:,' } };
      await refused({ role: 'user', content: [{ type: 'text', text: 'what is this?' }, image] }, 'unsupported', /^messages\[1\]\.content\[1\] is of type 'image_url'/);
      for (const type of ['input_audio', 'file', 'refusal']) await refused({ role: 'user', content: [{ type }] }, 'unsupported', new RegExp(`type '${type}'`));
      await refused({ role: 'user', content: [] }, 'usage', /content is an empty array/);
      await refused({ role: 'user', content: ['hi'] }, 'usage', /content\[0\] is the string 'hi', expected an object such as/);
      await refused({ role: 'user', content: [{ text: 'hi' }] }, 'usage', /content\[0\] is an object, expected/);
      await refused({ role: 'user', content: [{ type: 'text', text: 5 }] }, 'usage', /content\[0\]\.text is 5, expected a string/);
      await refused({ role: 'user', content: null }, 'usage', /messages\[1\]\.content is null, expected a string/);
      await refused({ role: 'assistant', content: 5 }, 'usage', /content is 5, expected a string/);
      await refused({ role: 'assistant', content: null, tool_calls: [{}] }, 'unsupported', /messages\[1\]\.tool_calls/);
      await refused({ role: 'tool', tool_call_id: 'a', content: '5' }, 'unsupported', /role is 'tool'/);
      await refused(null, 'usage', /messages\[1\] is null, expected an object/);
      for (const messages of [undefined, 'hi', {}]) await assert.rejects(model.chat.completions.create({ messages }), code('usage', /^messages is .*, expected an array$/));
    });

    test('a stream begins with the role, even where the answer ends at once', async () => {
      const [end] = await model.tokenize('<|im_end|>', { parse: true });
      const chunks = [];
      for await (const chunk of await model.chat.completions.create({ messages: [{ role: 'user', content: 'hi' }], stream: true, logit_bias: { [end]: 1000 }, temperature: 0 })) chunks.push(chunk.choices[0]);
      assert.deepEqual(chunks.map((c) => [c.delta, c.finish_reason]), [[{ role: 'assistant', content: '' }, null], [{}, 'stop']]);
    });

    test('no option with a value of the wrong kind passes, anywhere', async () => {
      const text = ['hot', ''];
      const record = {};
      const call = () => {};
      const odd = [null, 5, NaN, ...text, true, 5n, [5], record, call, Symbol('s'), new Map([['a', 1]]), Promise.resolve(1)];
      const calls = [
        [
          (o) => collect(model.generate('x', o)),
          { topP: [], minP: [], signal: [null], stop: ['hot'], logitBias: [record], parseSpecial: [true] },
          ['temperature', 'topK', 'repeatPenalty', 'presencePenalty', 'frequencyPenalty', 'repeatLastN', 'minKeep', 'seed', 'maxTokens', 'top'],
        ],
        [
          (o) => model.chat.completions.create({ messages: [{ role: 'user', content: 'hi' }], max_completion_tokens: 1, ...o }),
          {
            ...{ top_p: [null], min_p: [null], signal: [null], stop: [null, 'hot'], logit_bias: [null, record], n: [null, 5] },
            ...Object.fromEntries(['stream', 'logprobs', 'store', 'parallel_tool_calls'].map((name) => [name, [null, true]])),
            ...Object.fromEntries(['stream_options', 'metadata', 'prediction'].map((name) => [name, [null, record]])),
            ...Object.fromEntries(['model', 'user', 'service_tier', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention'].map((name) => [name, [null, ...text]])),
            ...Object.fromEntries(['temperature', 'top_k', 'presence_penalty', 'frequency_penalty', 'repeat_penalty', 'repeat_last_n'].map((name) => [name, [null, 5]])),
            ...Object.fromEntries(['seed', 'max_tokens', 'max_completion_tokens', 'top_logprobs'].map((name) => [name, [null, 5]])),
          },
        ],
        [(o) => model.chat.completions.create({ messages: [{ role: 'user', content: 'hi' }], stream_options: o }), { include_usage: [true], include_obfuscation: [true] }],
        [(o) => model.tokenize('x', o), { special: [true], parse: [true] }],
        [(o) => model.detokenize([65], o), { special: [true] }],
        [(o) => model.profile(o), { reset: [true] }],
        ...[load, forecast].map((f) => [
          (o) => f(path, o),
          { signal: [null], logger: [record], wasmUrl: text, workerUrl: text, onProgress: [call], cache: [true], sha256: [], headers: [record] },
          ['threads', 'contextSize'],
        ]),
      ];
      for (const [f, others, numbers = []] of calls)
        for (const [name, right] of [...Object.entries(others), ...numbers.map((n) => [n, [5]])])
          for (const value of odd.filter((v) => !right.includes(v)))
            await assert.rejects(f({ [name]: value }), code('usage', new RegExp(`^${name} is .+, expected `)), `${name}: ${String(value)}`);
      for (const name of ['audio', 'functions', 'modalities', 'response_format', 'tool_choice', 'tools'])
        for (const value of odd.filter((v) => v !== null))
          await assert.rejects(model.chat.completions.create({ messages: [], [name]: value }), code('unsupported', new RegExp(`'${name}' is not supported`)));
    });

    test('wrong values within an option are told, too', async () => {
      for (const [o, message] of [
        [{ logitBias: { a: 1 } }, /^logitBias has 'a', expected the id of a token$/],
        [{ logitBias: { 5: 'much' } }, /^logitBias of 5 is the string 'much', expected a number$/],
        [{ logitBias: { 5: NaN } }, /^logitBias of 5 is NaN/],
        [{ logitBias: { 5: () => 1 } }, /^logitBias of 5 is a function/],
        [{ logitBias: { 999999: 1 } }, /token 999999; the vocabulary has/],
        [{ stop: ['a', 5] }, /^stop is an array with 5, expected strings that are not empty$/],
        [{ stop: [, 'a'] }, /^stop is an array with undefined/],
      ])
        await assert.rejects(collect(model.generate('x', o)), code('usage', message));
    });

    test('what a worker could not be sent is left out where it means nothing, and refused where it is data', async () => {
      const more = { f() {}, s: Symbol('s') };
      const stop = Object.assign(['never'], more);
      const messages = new Proxy([{ role: 'user', content: 'hi', ...more }], {}); /* as some frameworks hand out what they watch */
      const plain = await collect(model.generate([{ role: 'user', content: 'hi' }], GREEDY));
      assert.deepEqual((await collect(model.generate(messages, { ...GREEDY, stop, logitBias: new Proxy({ 5: 0 }, {}) }))).ids, plain.ids);
      assert.equal(await model.detokenize(Object.assign([65], more)), await model.detokenize([65]));
      await assert.rejects(collect(model.generate(messages, { stop: more })), code('usage', /^stop is an object/));
      await assert.rejects(collect(model.generate([more])), code('usage', /role is undefined/));
      assert.deepEqual((await collect(model.generate(messages, GREEDY))).ids, plain.ids);
    });

    test('wrong options are refused with what was expected', async () => {
      for (const o of [{ temperature: -1 }, { topK: 1.5 }, { seed: 2 ** 32 }, { maxTokens: 0 }, { stop: '' }, { top: 101 }, { logitBias: { a: 1 } }, { logitBias: { [65 + 2 ** 32]: 1 } }, { signal: {} }])
        await assert.rejects(collect(model.generate('x', o)), code('usage', /expected/));
      await assert.rejects(model.detokenize([65 + 2 ** 32]), code('usage', /array of ids/));
      await assert.rejects(load(bytes, { signal: {} }), code('usage', /AbortSignal/));
      assert.equal((await collect(model.generate('x', { maxTokens: 1, signal: null }))).ids.length, 1); /* none of these keeps the next call waiting */
      await assert.rejects(collect(model.generate(7)), code('usage'));
      await assert.rejects(collect(model.generate('x', { maxTokens: '5' })), code('usage', /^maxTokens is the string '5', expected/));
      await assert.rejects(collect(model.generate([])), code('usage', /empty/));
      await assert.rejects(collect(model.generate([{ role: Symbol('a'), content: '' }])), code('usage', /role is Symbol\(a\), expected one of/));
      await assert.rejects(collect(model.generate([{ role: 'user', content: null }])), code('usage', /content is null, expected a string/));
      await assert.rejects(collect(model.generate([{ role: 'user', content: 'a\0b' }])), code('usage', /U\+0000/));
      await assert.rejects(collect(model.generate('', { maxTokens: 1 })), code('usage', /prompt is empty/));
    });
  });

/* What was computed since the profile was reset, and what a token takes. */
const operations = async (model) => (await model.profile()).reduce((sum, s) => sum + s.operations, 0);
async function tokenOperations(model) {
  await collect(model.generate('hello', { maxTokens: 1 }));
  await model.profile({ reset: true });
  await collect(model.generate('hello!', { maxTokens: 1 }));
  return operations(model);
}

test("a probability of 0 is OpenAI's -9999 as a logarithm, in JSON too", async () => {
  const token = { id: 1, text: 'a', probability: 0 };
  async function* generate() {
    yield { text: 'a', ids: [1], top: [{ ...token, candidates: [{ ...token, probability: 1 }, token] }], finishReason: 'length', usage: {} };
  }
  const { choices } = await chatCompletions({ info: {}, generate }).create({ messages: [{ role: 'user', content: 'a' }], logprobs: true, top_logprobs: 2 });
  const [said] = JSON.parse(JSON.stringify(choices[0].logprobs.content));
  assert.deepEqual([said.logprob, ...said.top_logprobs.map((t) => t.logprob)], [-9999, 0, -9999]);
});

describe('without threads', () => {
  test('a slice of a prompt is as long as the last one allows', () => {
    assert.equal(firstSlice(135e6), 4);
    assert.equal(firstSlice(7e9), 1);
    assert.equal(firstSlice(1e5), 16);
    assert.equal(nextSlice(8, 50), 8);
    assert.equal(nextSlice(12, 100), 6);
    assert.equal(nextSlice(2, 50), 4); /* four take less than twice what two take */
    assert.equal(nextSlice(4, 99), 4);
    assert.equal(nextSlice(4, 150), 1);
    assert.equal(nextSlice(8, 5000), 1); /* the machine became busy */
    assert.equal(nextSlice(8, 25), 16);
    assert.equal(nextSlice(8, 0), 32); /* a clock too coarse to say */
    assert.equal(nextSlice(200, 1), 256);
  });
});

describe('the demo model', { skip: noDemoModel }, () => {
  let probabilities;
  for (const [name, o] of [['alone', { threads: 1, wasmUrl: SINGLE }], ['on 1 thread', { threads: 1 }], ['on 2 threads', { threads: 2 }]])
    test(`says what its digest stands for, ${name}`, async () => {
      const model = await load(demoModel, { ...o, contextSize: 256 });
      const said = await greedySteps(model, demoText, demoIds.length);
      await model.close();
      assert.deepEqual(said.ids, demoIds);
      probabilities ??= said.probabilities;
      assert.deepEqual(said.probabilities, probabilities);
    });
});

describe('the level', () => {
  const run = promisify(execFile);
  const script = fileURLToPath(new URL('say.mjs', import.meta.url));
  const relaxed = fileURLToPath(new URL('../wasm/tally-relaxed.wasm', import.meta.url));
  const lacking = existsSync(relaxed) ? false : 'the relaxed module is not built';
  const old = Number(process.versions.node.split('.')[0]) < 22 ? false : 'this Node computes relaxed instructions rightly by either compiler';
  const say = async (flags, options) => JSON.parse((await run('node', [...flags, script, path, JSON.stringify({ threads: 1, ...options })])).stdout);
  const RELAXED = '--experimental-wasm-relaxed-simd';

  test('is relaxed where the engine computes it rightly, with the same tokens', { skip: lacking }, async () => {
    const { ids, backend } = await say([RELAXED, '--no-liftoff']);
    assert.deepEqual([backend.level, backend.note], ['relaxed', null]);
    const plain = await load(path, { threads: 1, wasmUrl: SINGLE });
    assert.deepEqual((await collect(plain.generate('hello', GREEDY))).ids, ids);
    assert.deepEqual(plain.info.backend.level, 'simd128');
    assert.match(plain.info.backend.note, /level relaxed cannot run: this build lacks it/);
    await plain.close();
  });

  test('is simd128 where the engine lacks relaxed SIMD, and info says so', { skip: old }, async () => {
    const { backend } = await say([]);
    assert.deepEqual([backend.level, backend.note], ['simd128', 'the engine has no relaxed SIMD']);
  });

  test('is simd128 where the engine computes relaxed SIMD wrongly, and info says what the known-answer test found', { skip: old }, async () => {
    const { backend } = await say([RELAXED, '--liftoff-only']);
    assert.equal(backend.level, 'simd128');
    assert.match(backend.note, /relaxed dot product is wrong: \d+ by -?\d+ four times gave/);
  });

  test("says so, too, where the page chose the relaxed module and the module's own test found it", { skip: old || lacking }, async () => {
    const { backend } = await say([RELAXED, '--liftoff-only'], { wasmUrl: relaxed });
    assert.equal(backend.level, 'simd128');
    assert.match(backend.note, /level relaxed cannot run: .*known-answer test/);
  });
});

function* pieces(all, n) {
  for (let at = 0; at < all.length; at += n) yield all.subarray(at, at + n);
}

async function* asyncPieces(all, n) {
  yield* pieces(all, n);
}

describe('loading', () => {
  let server;
  let base;
  const answers = {
    '/tiny.gguf': (q, r) => r.writeHead(200, { 'content-length': bytes.length }).end(bytes),
    '/100%.gguf': (q, r) => r.end(bytes),
    '/%ff.gguf': (q, r) => r.end('no model'),
    '/chunked.gguf': (q, r) => {
      r.write(bytes.subarray(0, 5000));
      r.end(bytes.subarray(5000));
    },
    '/secret.gguf': (q, r) => (q.headers.authorization === 'Bearer x' ? r.end(bytes) : r.writeHead(401).end()),
    '/unsaid.gguf': (q, r) => r.writeHead(q.headers.range ? 206 : 200, { etag: '"1"' }).end(q.headers.range ? bytes.subarray(1000) : bytes),
    '/416.gguf': (q, r) => r.writeHead(416, { 'content-length': bytes.length }).end(bytes),
    '/304.gguf': (q, r) => r.writeHead(304).end(),
    '/204.gguf': (q, r) => r.writeHead(204).end(),
    '/broken.gguf': (q, r) => {
      r.writeHead(200, { 'content-length': bytes.length });
      r.write(bytes.subarray(0, 70000), () => r.destroy());
    },
    '/slow.gguf': (q, r) => r.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 100)),
  };
  before(async () => {
    server = createServer((q, r) => (answers[q.url] ?? ((_, s) => s.writeHead(404).end()))(q, r));
    await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
    base = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test('reports progress to the last byte', async () => {
    for (const [source, total, from] of [
      [path, bytes.length, 'local'],
      [`${base}/tiny.gguf`, bytes.length, 'network'],
      [`${base}/chunked.gguf`, undefined, 'network'],
    ]) {
      const seen = [];
      const model = await load(source, { onProgress: (p) => seen.push(p) });
      await model.close();
      assert.equal(seen.at(-1).loaded, bytes.length);
      assert.equal(seen.at(-1).total, total);
      assert.equal(seen.at(-1).from, from);
      assert.deepEqual(seen.map((p) => p.loaded), seen.map((p) => p.loaded).sort((a, b) => a - b));
    }
  });

  test('failures of the network say so', async () => {
    await assert.rejects(load(`${base}/nothing.gguf`), code('network', /answered 404/));
    await assert.rejects(load(`${base}/secret.gguf`), code('network', /401/));
    for (const status of [204, 304, 416]) await assert.rejects(load(`${base}/${status}.gguf`), code('network', new RegExp(`/${status}\\.gguf answered (${status}|without a body)`)));
    await assert.rejects(load(`${base}/broken.gguf`), code('network', /broke off/));
    await assert.rejects(load('http://127.0.0.1:1/x.gguf'), code('network', /cannot be reached: (bad port|connect ECONNREFUSED)/));
    const model = await load(`${base}/secret.gguf`, { headers: { authorization: 'Bearer x' } });
    await model.close();
  });

  test('headers that cannot be sent are told as such, without their values', async () => {
    const url = `${base}/secret.gguf`;
    const authorization = 'Bearer x';
    for (const headers of [{ authorization }, new Headers({ authorization })]) await (await load(url, { headers })).close();
    for (const [headers, message] of [
      [{ 'a b': 'c' }, /^headers: 'a b' cannot be the name of a header$/],
      [{ '': 'c' }, /^headers: '' cannot be the name/],
      [{ authorization: 'Bearer\nx' }, /^headers: the value of 'authorization' holds a character that no header can$/],
      [{ authorization: '世' }, /^headers: the value of 'authorization' holds/],
      [{ authorization: undefined }, /^headers: 'authorization' is undefined, expected a string/],
      [{ a: Symbol('b') }, /^headers: 'a' is Symbol\(b\), expected a string/],
      ['a: b', /^headers is the string 'a: b', expected an object/],
      [[['a', 'b']], /^headers is an array, expected an object/],
      [null, /^headers is null/],
      [{ connection: 'x' }, /secret\.gguf was not asked: invalid connection header/],
    ])
      await assert.rejects(load(url, { headers }), code('usage', message));
  });

  test('an address with a percent sign that escapes nothing is loaded, and one that is none is refused', async () => {
    await (await load(`${base}/100%.gguf`)).close();
    await assert.rejects(load(`${base}/%ff.gguf`), code('file', /^%ff\.gguf: not a GGUF file/));
    await assert.rejects(load('file:///%ff'), code('usage', /'file:\/\/\/%ff' is no address/));
  });

  test('bad files are refused by the library, by name', async () => {
    await assert.rejects(load(join(folder, 'absent.gguf')), code('file', /absent\.gguf/));
    await assert.rejects(load(folder), code('file'));
    await assert.rejects(load(new TextEncoder().encode('<!doctype html>')), code('file', /the stream: not a GGUF file.*web page/));
    await assert.rejects(load(bytes.subarray(0, bytes.length - 50)), code('file', /cut short/));
    await assert.rejects(load(asyncPieces(bytes.subarray(0, bytes.length - 50), 4096)), code('file', /cut short/));
    await assert.rejects(load(bytes.subarray(0, 500)), code('file', /cut short/));
    await assert.rejects(load(new Uint8Array(0)), code('file'));
    await assert.rejects(load(tinyModel({ split: 3 })), code('unsupported', /split into 3 files/));
    await assert.rejects(load(`${base}/m-00001-of-00003.gguf`), code('unsupported', /m-00001-of-00003\.gguf is part 1/));
    await assert.rejects(load(tinyModel({ keys: [['llama.rope.scaling.type', 'string', 'bogus']] })), (e) => e instanceof TallyError && e.code !== 'internal');
  });

  test('a source that fails or yields nonsense is told apart', async () => {
    async function* failing() {
      yield bytes.subarray(0, 1000);
      throw new Error('disk on fire');
    }
    await assert.rejects(load(failing()), code('file', /disk on fire/));
    await assert.rejects(load(['text']), code('usage', /no Uint8Array/));
    await assert.rejects(load(42), code('usage', /expected a path/));
    await assert.rejects(load(path, { threads: 0 }), code('usage', /threads/));
    await assert.rejects(load(path, { threads: '2' }), code('usage', /^threads is the string '2', expected an integer from 1 to 64$/));
    await assert.rejects(load(path, { threads: 2n }), code('usage', /^threads is 2n, expected/));
    await assert.rejects(load(path, { contextSize: -1 }), code('usage', /contextSize/));
    await assert.rejects(load(path, { contextSize: [64] }), code('usage', /^contextSize is an array, expected/));
    await assert.rejects(load(path, { sha256: 'abc' }), code('usage', /sha256/));
  });

  test('a source that is not read to its end is closed', async () => {
    let close;
    const closed = new Promise((resolve) => (close = resolve));
    async function* endless() {
      try {
        for (;;) yield new Uint8Array(1000).fill(60);
      } finally {
        close();
      }
    }
    await assert.rejects(load(endless()), code('file'));
    await closed;
  });

  test('a stream that keeps a load waiting is cancelled by an abort, whether the worker runs yet or not', async () => {
    for (const early of [true, false]) {
      const controller = new AbortController();
      let cancel;
      let pull;
      const cancelled = new Promise((resolve) => (cancel = resolve));
      const pulled = new Promise((resolve) => (pull = resolve));
      const source = new ReadableStream({ pull: () => (pull(), new Promise(() => {})), cancel });
      const loading = assert.rejects(load(source, { signal: controller.signal }), code('aborted'));
      await (early ? pulled : new Promise((resolve) => setTimeout(resolve, 300)));
      controller.abort();
      await loading;
      await cancelled;
    }
  });

  test('a source is closed where the worker never was, or died', async () => {
    for (const workerUrl of [join(folder, 'no-worker.js'), trappingWorker('at-once')]) {
      let close;
      const closed = new Promise((resolve) => (close = resolve));
      const source = { [Symbol.iterator]: () => ({ next: () => ({ value: bytes.slice(0, 100) }), return: () => (close(), {}) }) };
      await assert.rejects(load(source, { workerUrl, threads: 2 }), code('internal'));
      await closed;
    }
  });

  test('a source that another reads, and files that cannot be read, are told as what they are', async () => {
    const locked = new Blob([bytes]).stream();
    locked.getReader();
    await assert.rejects(load(locked), code('usage', /^load: the source cannot be read: .*locked/));
    await assert.rejects(load(path, { workerUrl: trappingWorker('unreadable') }), code('file', /^cannot read '.*tiny\.gguf': EIO/));
    const chunks = streamChunks(new ReadableStream({ pull: (c) => c.error(new Error('NotReadable')) }), 'a.gguf', 'local');
    await assert.rejects(chunks.next(), code('file', /^a\.gguf: it cannot be read to its end: NotReadable/));
  });

  test('the digest is checked', async () => {
    const right = createHash('sha256').update(bytes).digest('hex');
    await (await load(path, { sha256: right.toUpperCase() })).close();
    await assert.rejects(load(path, { sha256: right.replace(/^./, (c) => (c === '0' ? '1' : '0')) }), code('file', /SHA-256/));
  });

  test('an abort ends a load that waits for the network', async () => {
    const controller = new AbortController();
    const loading = load(`${base}/slow.gguf`, { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await assert.rejects(loading, code('aborted'));
    await assert.rejects(load(path, { signal: AbortSignal.abort() }), code('aborted'));
  });

  test('the forecast needs the first bytes only and tells what loading takes', async () => {
    let read = 0;
    async function* counted() {
      for (const p of pieces(bytes, 4096)) {
        read += p.length;
        yield p;
      }
    }
    const f = await forecast(counted(), { threads: 1, contextSize: 512 });
    const model = await load(path, { threads: 1, contextSize: 512 });
    const { wasm, ...memory } = model.info.memory;
    assert.ok(f.fits && f.contextSize === 512 && f.description === 'Tiny');
    assert.deepEqual({ weights: f.weights, kv: f.kv, activations: f.activations, workers: f.workers, total: f.total }, memory);
    assert.ok(read < bytes.length);
    assert.ok(wasm <= memory.weights + memory.kv + (64 << 20));
    await model.close();
  });

  test('what does not fit is refused before it is read', async () => {
    await assert.rejects(load(path, { memoryLimitMiB: 64, threads: 1 }), code('memory', /needs \d+ MiB.*ends at 64 MiB/));
    const model = await load(path);
    await model.close();
  });

  /* 268 MB a layer, all zeros, made while they are read. */
  const HUGE = { embd: 2048, heads: 16, ff: 8192, context: 64, zeros: true };

  test('a model of 2.6 GB loads', { skip: freemem() < 4 * 2 ** 30 ? 'less than 4 GB of memory are free' : false }, async () => {
    const model = await load(streamedModel({ ...HUGE, layers: 10 }), { threads: 1 });
    const { weights, kv, wasm } = model.info.memory;
    assert.ok(weights > 2.6e9 && wasm <= weights + kv + (64 << 20), `${wasm} bytes for ${weights}`);
    await model.close();
  });

  test('one over 4 GB is refused with both figures, before its weights are read', async () => {
    let read = 0;
    async function* counted() {
      for await (const chunk of streamedModel({ ...HUGE, layers: 17 })) {
        read += chunk.length;
        yield chunk;
      }
    }
    await assert.rejects(load(counted()), code('memory', /needs 4[45]\d\d MiB.*ends at 4096 MiB/));
    assert.ok(read < 1 << 22);
  });

  test('where an engine grants no 4 GB, 2 are asked for, then 1', () => {
    const { Memory } = WebAssembly;
    const asked = [];
    const least = (pages) =>
      function (o) {
        asked.push(o.maximum);
        if (o.maximum > pages) throw new RangeError('too much');
        return new Memory({ ...o, maximum: 256 });
      };
    try {
      WebAssembly.Memory = least(16384);
      assert.equal(makeMemory(false).limit, 2 ** 30);
      assert.deepEqual(asked, [65536, 32768, 16384]);
      WebAssembly.Memory = least(1);
      assert.throws(() => makeMemory(false), code('memory'));
    } finally {
      WebAssembly.Memory = Memory;
    }
  });

  test('a module that is no module, or is missing, is told by its address', async () => {
    await assert.rejects(load(path, { wasmUrl: path }), code('network', /tiny\.gguf cannot be loaded/));
    await assert.rejects(load(path, { workerUrl: join(folder, 'no-worker.js') }), code('internal', /a worker of the model ended/));
  });

  test('a module that the page may not compile is told as such', async () => {
    const worker = { post() {}, listen() {}, failed() {}, terminate() {} };
    const api = makeApi({ spawn: () => worker, source: () => ({ path }), module: () => Promise.reject(new WebAssembly.CompileError('disallowed by embedder')) });
    await assert.rejects(api.load(path), code('unsupported', /cannot be compiled: disallowed by embedder; .*'wasm-unsafe-eval'/));
  });

  test('no timer is in the way of a token, since those sleep in background tabs', () => {
    const source = new URL('../src/', import.meta.url);
    for (const name of readdirSync(source)) assert.doesNotMatch(readFileSync(new URL(name, source), 'utf8'), /setTimeout|setInterval|requestAnimationFrame/, name);
  });

  /* The private file system in memory, without the handles that write. broken: names of files that are listed and cannot be opened. */
  const fakeFolder = (files, broken = []) => ({
    asked: new Set(),
    async *keys() {
      yield* Object.keys(files);
    },
    async getFileHandle(name) {
      this.asked.add(name);
      if (files[name] === undefined) throw new DOMException(`no ${name}`, 'NotFoundError');
      return {
        getFile: async () => {
          if (broken.includes(name) && (files[name].opened = (files[name].opened ?? 0) + 1) > 1) throw new DOMException(`${name} went away`, 'NotFoundError');
          return files[name];
        },
      };
    },
    removeEntry: async (name) => void delete files[name],
  });
  const storeOn = (fake) => {
    const notices = [];
    return { store: new Store(fake, undefined, (text) => notices.push(text)), notices, call: { signal: new AbortController().signal } };
  };
  const read = async (chunks) => {
    let n = 0;
    for await (const chunk of chunks) n += chunk.length;
    return n;
  };

  test('a cache that fails, or loses a file meanwhile, costs a notice and not the load', async () => {
    const url = `${base}/tiny.gguf`;
    const empty = fakeFolder({});
    const first = storeOn(empty);
    assert.equal(await read((await first.store.source(url, 'tiny', {}, first.call)).chunks), bytes.length);
    const key = [...empty.asked].find((name) => name.endsWith('.part')).replace('.part', '');
    const entry = { [`${key}.json`]: new Blob([JSON.stringify({ url })]), [`${key}.gguf`]: new Blob([bytes]) };
    const whole = storeOn(fakeFolder({ ...entry }));
    assert.equal((await whole.store.source(url, 'tiny', {}, whole.call)).from, 'cache');
    const losing = storeOn(fakeFolder({ ...entry }, [`${key}.gguf`]));
    const again = await losing.store.source(url, 'tiny', {}, losing.call);
    assert.equal(again.from, 'network');
    assert.equal(await read(again.chunks), bytes.length);
    assert.match(losing.notices[0], /^tiny: the copy in the cache cannot be read: .*went away/);
    const broken = storeOn(Object.assign(fakeFolder({}), { keys: () => assert.fail('the disk is on fire') }));
    assert.equal(await read((await broken.store.source(url, 'tiny', {}, broken.call)).chunks), bytes.length);
    assert.match(broken.notices[0], /^no cache: the disk is on fire/);
  });

  test('a server that does not say which range it sends is asked for the whole file', async () => {
    const { store, call } = storeOn(fakeFolder({}));
    const response = await store.ask(`${base}/unsaid.gguf`, {}, { size: 1000, tag: '"1"' }, call);
    assert.equal(response.status, 200);
    assert.equal((await response.arrayBuffer()).byteLength, bytes.length);
  });

  test('under Node there is no cache, and nothing complains', async () => {
    assert.deepEqual(await cache.list(), []);
    assert.equal(await cache.size(), 0);
    assert.equal(await cache.delete(), 0);
    assert.equal(await cache.delete(new URL('https://example.com/a.gguf')), 0);
    for (const what of [null, 5, {}]) await assert.rejects(cache.delete(what), code('usage', /, expected a string or a URL$/));
  });
});

test('a call that cannot be sent to the worker is refused, and the next one is heard', async () => {
  const busy = [];
  const worker = {
    post: (message) => structuredClone(message),
    listen: (f) => (worker.say = f),
    failed() {},
    terminate() {},
    idle: (yes) => busy.push(!yes),
  };
  const link = new Link({ spawn: () => worker });
  const { signal } = new AbortController();
  await assert.rejects(link.call('plan', { f() {} }, { signal }), code('usage', /^plan: an option cannot be sent to a worker: .*could not be cloned/));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assert.deepEqual(busy, [true, false]);
  const next = link.call('plan', {});
  worker.say({ id: 2, value: 'heard' });
  assert.equal(await next, 'heard');
});

describe('the end of a model', () => {
  test('closing rejects what is pending and all that comes later', async () => {
    const model = await load(path, { threads: 2 });
    const running = assert.rejects(collect(model.generate(LONG, ENDLESS)), code('closed'));
    const waiting = assert.rejects(model.tokenize('x'), code('closed'));
    await underWay();
    await model.close();
    await Promise.all([running, waiting]);
    await assert.rejects(model.plan(), code('closed'));
    await model.close();
  });

  test('a model without a chat template says what is missing', async () => {
    const model = await load(tinyModel({ template: null }));
    assert.equal(model.info.chatTemplate, null);
    await assert.rejects(collect(model.generate([{ role: 'user', content: 'hi' }])), code('unsupported', /chat template/));
    await model.close();
  });

  test('a trap rejects the call, and the next ones, and ends the worker', async () => {
    const model = await load(path, { threads: 1, workerUrl: new URL('trapping-worker.mjs', import.meta.url) });
    await assert.rejects(model.tokenize('trap'), code('internal', /unreachable.*please report/));
    await assert.rejects(model.tokenize('x'), code('internal'));
  });

  test('a thread that traps, at once or while it computes, rejects all that is pending', async () => {
    for (const when of ['at-once', 'later']) {
      const answer = async () => collect((await load(path, { threads: 2, workerUrl: trappingWorker(when) })).generate('x', GREEDY));
      await assert.rejects(answer(), code('internal', /please report/));
    }
  });

  test('a worker that dies rejects all that is pending', async () => {
    const model = await load(path, { threads: 1, workerUrl: new URL('trapping-worker.mjs', import.meta.url) });
    const dying = assert.rejects(model.tokenize('die'), code('internal', /ended/));
    const queued = assert.rejects(model.plan(), code('internal', /ended/));
    await Promise.all([dying, queued]);
  });
});

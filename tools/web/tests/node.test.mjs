/* node.test.mjs: the package under Node: what a model says and does, on one thread and on two, and how it ends. */

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { firstSlice, nextSlice } from '../src/generation.js';
import { Link } from '../src/link.js';
import { load } from '../src/node.js';
import { demoIds, demoModel, demoText, noDemoModel } from './demo.mjs';
import { ENDLESS, GREEDY, LONG, SINGLE, asyncPieces, bytes, code, collect, model, onThreads, path, pieces, trappingWorker, underWay } from './rig.mjs';
import { greedySteps } from './steps.mjs';
import { tinyModel } from './tiny.mjs';

/* What was computed since the profile was reset, and what a token takes. */
const operations = async (model) => (await model.profile()).reduce((sum, s) => sum + s.operations, 0);
async function tokenOperations(model) {
  await collect(model.generate('hello', { maxTokens: 1 }));
  await model.profile({ reset: true });
  await collect(model.generate('hello!', { maxTokens: 1 }));
  return operations(model);
}

onThreads((threads) => {
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

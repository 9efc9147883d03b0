/* options.test.mjs: options and values that no call may take: each is refused with what was given and what was expected. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forecast, load } from '../src/node.js';
import { GREEDY, bytes, code, collect, model, onThreads, path } from './rig.mjs';

onThreads(() => {
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

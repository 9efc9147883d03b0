/* openai.test.mjs: chat.completions in OpenAI's form: what is taken, what is yielded, what is refused by name. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatCompletions } from '../src/openai.js';
import { code, model, onThreads } from './rig.mjs';

onThreads(() => {
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
});

test("a probability of 0 is OpenAI's -9999 as a logarithm, in JSON too", async () => {
  const token = { id: 1, text: 'a', probability: 0 };
  async function* generate() {
    yield { text: 'a', ids: [1], top: [{ ...token, candidates: [{ ...token, probability: 1 }, token] }], finishReason: 'length', usage: {} };
  }
  const { choices } = await chatCompletions({ info: {}, generate }).create({ messages: [{ role: 'user', content: 'a' }], logprobs: true, top_logprobs: 2 });
  const [said] = JSON.parse(JSON.stringify(choices[0].logprobs.content));
  assert.deepEqual([said.logprob, ...said.top_logprobs.map((t) => t.logprob)], [-9999, 0, -9999]);
});

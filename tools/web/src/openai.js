/* openai.js: chat.completions in OpenAI's form, on top of generate(): names and numbers are translated, nothing is computed. */

import { TallyError, usage } from './errors.js';
import { fromOpenAI } from './messages.js';
import { checkKinds, checkNames, checkNumber, checkValues } from './options.js';

/* OpenAI's name, and llama.cpp's server's beyond it: ours. */
const NAMES = {
  temperature: 'temperature',
  top_p: 'topP',
  top_k: 'topK',
  min_p: 'minP',
  presence_penalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
  repeat_penalty: 'repeatPenalty',
  repeat_last_n: 'repeatLastN',
  logit_bias: 'logitBias',
  seed: 'seed',
  stop: 'stop',
};
const HANDLED = ['messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'logprobs', 'top_logprobs', 'n', 'signal'];
const KINDS = { model: 'text', stream: 'flag', stream_options: 'record', logprobs: 'flag', signal: 'signal' };
/* OpenAI's that say nothing about the answer. */
const IGNORED = {
  user: 'text',
  store: 'flag',
  metadata: 'record',
  service_tier: 'text',
  safety_identifier: 'text',
  prompt_cache_key: 'text',
  prompt_cache_retention: 'text',
  parallel_tool_calls: 'flag',
  prediction: 'record',
};
/* OpenAI's that would change the answer, and for some whether a value asks for what is done anyway. */
const never = () => false;
const UNSUPPORTED = {
  audio: never,
  function_call: (v) => v === 'none',
  functions: never,
  modalities: (v) => Array.isArray(v) && v.length === 1 && v[0] === 'text',
  reasoning_effort: never,
  response_format: (v) => v.type === 'text',
  tool_choice: (v) => v === 'none',
  tools: never,
  verbosity: never,
  web_search_options: never,
};

function translate(request) {
  const call = 'chat.completions.create';
  checkNames(call, request, ['model', ...HANDLED, ...Object.keys(NAMES)], [...Object.keys(IGNORED), ...Object.keys(UNSUPPORTED)]);
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null)); /* null is OpenAI's for what is not */
  for (const [name, asksNothing] of Object.entries(UNSUPPORTED))
    if (given[name] !== undefined && !asksNothing(given[name])) throw new TallyError('unsupported', `${call}: '${name}' is not supported`);
  checkKinds(given, { ...KINDS, ...IGNORED });
  const { n = 1, logprobs = false, top_logprobs: top = 0, stream_options: streaming = {}, signal } = given;
  checkNames(`${call}: stream_options`, streaming, ['include_usage'], ['include_obfuscation']);
  checkKinds(streaming, { include_usage: 'flag', include_obfuscation: 'flag' });
  checkNumber('n', n, 1, 128, true);
  if (n !== 1) throw new TallyError('unsupported', `${call}: n is not 1; ask several times instead`);
  const options = {};
  for (const [name, ours] of Object.entries(NAMES)) if (given[name] !== undefined) options[ours] = given[name];
  checkValues(options, (ours) => Object.keys(NAMES).find((name) => NAMES[name] === ours));
  for (const limit of ['max_tokens', 'max_completion_tokens']) {
    if (given[limit] === undefined) continue;
    options.maxTokens = given[limit];
    checkValues({ maxTokens: given[limit] }, () => limit);
  }
  checkNumber('top_logprobs', top, 0, 100, true);
  usage(logprobs || !top, `${call}: top_logprobs is of no use without logprobs: true`);
  if (logprobs) options.top = Math.max(1, top);
  return { messages: fromOpenAI(request.messages), options: { ...options, signal } };
}

const encoder = new TextEncoder();
const IMPOSSIBLE = -9999; /* OpenAI's number for a probability of 0: JSON has no -Infinity */

function logprob({ text, probability }) {
  return { token: text, logprob: probability > 0 ? Math.log(probability) : IMPOSSIBLE, bytes: [...encoder.encode(text)] };
}

function logprobsOf(chunk, request) {
  if (!request.logprobs) return null;
  const shown = request.top_logprobs ?? 0;
  return { content: (chunk.top ?? []).map((t) => ({ ...logprob(t), top_logprobs: t.candidates.slice(0, shown).map(logprob) })) };
}

function usageOf({ promptTokens, completionTokens, cachedTokens }) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

async function* stream(model, request, { messages, options }, head) {
  const chunk = (delta, finish_reason, logprobs) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason, logprobs }],
    ...(request.stream_options?.include_usage ? { usage: null } : {}),
  });
  let first = true;
  for await (const part of model.generate(messages, options)) {
    const delta = { ...(first ? { role: 'assistant' } : {}), content: part.text };
    if (first || part.text || part.top || !part.finishReason) yield chunk(delta, null, logprobsOf(part, request));
    first = false;
    if (!part.finishReason) continue;
    yield chunk({}, part.finishReason, null);
    if (request.stream_options?.include_usage) yield { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(part.usage) };
  }
}

async function whole(model, request, { messages, options }, head) {
  let content = '';
  const logprobs = [];
  let last;
  for await (last of model.generate(messages, options)) {
    content += last.text;
    if (request.logprobs) logprobs.push(...logprobsOf(last, request).content);
  }
  return {
    ...head,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        finish_reason: last.finishReason,
        logprobs: request.logprobs ? { content: logprobs } : null,
      },
    ],
    usage: usageOf(last.usage),
  };
}

export function chatCompletions(model) {
  return {
    async create(request) {
      const asked = translate(request);
      const random = [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, '0')).join('');
      const head = { id: `chatcmpl-${random}`, created: Math.floor(Date.now() / 1000), model: request.model ?? model.info.name };
      return request.stream ? stream(model, request, asked, head) : whole(model, request, asked, head);
    },
  };
}

/* every-export.ts: uses every export of the package, for tsc --strict. */

import { TallyError, cache, forecast, load } from 'tally';
import { load as loadInline } from 'tally/inline';
import type {
  CacheEntry,
  Candidate,
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionMessage,
  ChatCompletionRequest,
  ChatCompletionTextPart,
  ChatCompletions,
  Chunk,
  CompletionUsage,
  FinishReason,
  Forecast,
  GenerateOptions,
  LoadOptions,
  Logger,
  Message,
  Model,
  ModelInfo,
  OpenOptions,
  PlanStep,
  ProfileStep,
  Progress,
  SamplerOptions,
  Source,
  TallyErrorCode,
  Timings,
  TokenLogprob,
  TopTokens,
  Usage,
} from 'tally';

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(4);
}
const sources: Source[] = ['a.gguf', new URL('https://example.com/a.gguf'), new Blob([]), new ArrayBuffer(4), new Uint8Array(4), bytes(), [new Uint8Array(4)]];
const logger: Logger = { info: (m: string) => void m, warn: (m) => void m };
const open: OpenOptions = { headers: { a: 'b' }, signal: new AbortController().signal, threads: 2, contextSize: 64, logger, wasmUrl: 'a', workerUrl: new URL('https://a/b') };
const options: LoadOptions = { ...open, onProgress: (p: Progress) => void [p.loaded, p.total, p.from], cache: false, sha256: '00' };
const sampler: SamplerOptions = { temperature: 0, topK: 1, topP: 1, minP: 0, repeatPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, repeatLastN: 64, minKeep: 1, logitBias: { 5: -1 }, seed: 3 };
const generate: GenerateOptions = { ...sampler, maxTokens: 4, stop: ['a'], top: 3, parseSpecial: false };
const messages: Message[] = [{ role: 'user', content: 'hi' }];
const part: ChatCompletionTextPart = { type: 'text', text: 'hi' };
const turns: ChatCompletionMessage[] = [...messages, { role: 'developer', content: [part] }, { role: 'assistant', content: null }];
const request: ChatCompletionRequest = { messages: turns, max_tokens: 4, user: 'a', metadata: { a: 'b' } };

export async function all(): Promise<unknown> {
  const f: Forecast = await forecast(sources[0]!, { ...options, headers: new Headers({ a: 'b' }) });
  const model: Model = await load('a.gguf', options);
  const info: ModelInfo = model.info;
  let reason: FinishReason | undefined;
  let usage: Usage | undefined;
  let timings: Timings | undefined;
  for await (const chunk of model.generate(messages, generate)) {
    const c: Chunk = chunk;
    const top: TopTokens | undefined = c.top?.[0];
    const candidate: Candidate | undefined = top?.candidates[0];
    void candidate?.probability;
    ({ finishReason: reason, usage, timings } = c);
  }
  const completions: ChatCompletions = model.chat.completions;
  const whole: ChatCompletion = await completions.create({ ...request, stream: false });
  const used: CompletionUsage = whole.usage;
  const logprob: TokenLogprob | undefined = whole.choices[0]?.logprobs?.content[0];
  for await (const part of await completions.create({ messages, stream: true })) {
    const c: ChatCompletionChunk = part;
    void c.choices[0]?.delta.content?.length;
  }
  const ids: number[] = await model.tokenize('a', { special: true, parse: true });
  const text: string = await model.detokenize(ids, { special: true });
  const plan: PlanStep[] = await model.plan();
  const profile: ProfileStep[] = await model.profile({ reset: true });
  const entries: CacheEntry[] = await cache.list();
  const n: number = (await cache.size()) + (await cache.delete('a'));
  await model.close();
  await (await loadInline('a')).close();
  const error: unknown = new TallyError('usage', 'a', { cause: 1 });
  const code: TallyErrorCode | undefined = error instanceof TallyError ? error.code : undefined;
  return [f.fits, info.backend.level, reason, usage, timings, used, logprob, text, plan, profile, entries, n, code];
}

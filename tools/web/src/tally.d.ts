/* tally.d.ts: the contract of the package; the code is written to it. Everything that a user can call, give or get is here.
 *
 *     import { load } from 'tally';
 *     const model = await load('model.gguf', { onProgress: (p) => console.log(p.loaded, p.total) });
 *     for await (const { text } of model.generate('Once upon a time', { maxTokens: 64 })) console.log(text);
 *     await model.close();
 */

// ---- errors ----------------------------------------------------------------------------------------------------------------

/** What kind of failure: who has to do something about it. */
export type TallyErrorCode =
  | 'network' // a request failed or was refused
  | 'file' // the model file is malformed, cut short, or not the one expected
  | 'memory' // it does not fit
  | 'aborted' // by a signal
  | 'closed' // the model was closed
  | 'unsupported' // well formed, but not something this build or browser can do
  | 'usage' // the call itself is wrong, or the context is full
  | 'internal'; // a trap or a dead worker: please report

export declare class TallyError extends Error {
  constructor(code: TallyErrorCode, message: string, options?: { cause?: unknown });
  readonly name: 'TallyError';
  readonly code: TallyErrorCode;
}

// ---- loading ---------------------------------------------------------------------------------------------------------------

/** Where a model comes from. A string is a URL; under Node it may be a path, too. An iterable yields the file's bytes in order. */
export type Source = string | URL | Blob | ArrayBuffer | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface Progress {
  /** Bytes of the file that have reached the model. */
  loaded: number;
  /** Bytes of the file; undefined where the source does not say. */
  total: number | undefined;
  /** Where the bytes come from right now. */
  from: 'network' | 'cache' | 'local';
}

export interface Logger {
  info?(message: string): void;
  warn?(message: string): void;
}

/** An option that a call does not know, or whose value is of another type than here, is refused with code `usage`; so it is everywhere. */
export interface OpenOptions {
  /** Headers of the request, such as an authorization. */
  headers?: Record<string, string> | Headers;
  signal?: AbortSignal;
  /** Threads that compute. Default: half of the machine's logical CPUs, at most 8; 1 where the page is not cross-origin isolated. */
  threads?: number;
  /** Tokens that the conversation may hold. Default: what the model was trained for, at most 4096. */
  contextSize?: number;
  /** Notices, such as why a cache is not used. Default: none are printed. */
  logger?: Logger;
  /** Where the WebAssembly module lies. Default: beside the package, chosen by what the engine offers. */
  wasmUrl?: string | URL;
  /** Where worker.js lies, for a page that serves it elsewhere. */
  workerUrl?: string | URL;
}

export interface LoadOptions extends OpenOptions {
  onProgress?(progress: Progress): void;
  /** Keep a downloaded model in the browser's private file system. Default: true for URLs. */
  cache?: boolean;
  /** The file's SHA-256 in hexadecimal; another file is refused. */
  sha256?: string;
}

export declare function load(source: Source, options?: LoadOptions): Promise<Model>;

/** What a model and its context would take, in bytes, from the first bytes of the file alone. */
export interface Forecast {
  weights: number;
  kv: number;
  activations: number;
  workers: number;
  total: number;
  /** The most that a module's memory can hold here. */
  limit: number;
  fits: boolean;
  contextSize: number;
  description: string;
}

/** Takes load's options as they are; those about progress, the cache and the digest mean nothing here. */
export declare function forecast(source: Source, options?: LoadOptions): Promise<Forecast>;

// ---- cache -----------------------------------------------------------------------------------------------------------------

export interface CacheEntry {
  key: string;
  url: string;
  /** Bytes on disk. */
  size: number;
  etag: string | null;
  lastModified: string | null;
  /** False: a download that was interrupted and can be resumed. */
  complete: boolean;
}

export declare const cache: {
  list(): Promise<CacheEntry[]>;
  /** By key or URL; without one, everything. Gives back how many entries went. */
  delete(keyOrUrl?: string): Promise<number>;
  /** Bytes of all entries. */
  size(): Promise<number>;
};

// ---- a loaded model ----------------------------------------------------------------------------------------------------------

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** llama.cpp's names and defaults; a file's own recommendation (general.sampling.*) replaces the defaults. */
export interface SamplerOptions {
  /** 0.8; 0 takes the likeliest token always. */
  temperature?: number;
  /** 40; 0: all. */
  topK?: number;
  /** 0.95; 1: off. */
  topP?: number;
  /** 0.05; 0: off. */
  minP?: number;
  /** 1: off. */
  repeatPenalty?: number;
  /** 0 */
  presencePenalty?: number;
  /** 0 */
  frequencyPenalty?: number;
  /** 64; 0: off, -1: the whole sequence. */
  repeatLastN?: number;
  /** 1 */
  minKeep?: number;
  /** Added to the logit of an id. */
  logitBias?: Record<number, number>;
  /** 0 to 4294967295. Default: one from the clock, told in the result. */
  seed?: number;
}

export interface GenerateOptions extends SamplerOptions {
  /** Default: until the model ends or the context is full. */
  maxTokens?: number;
  /** Text that ends the answer; it is not part of it. */
  stop?: string | string[];
  signal?: AbortSignal;
  /** How many of the likeliest tokens to tell for each token, 0 to 100. Default: 0. */
  top?: number;
  /** Whether "<|im_end|>" in a prompt is the control token. Default: true for messages, false for a string. */
  parseSpecial?: boolean;
}

export interface Candidate {
  id: number;
  text: string;
  /** Of the model itself, before any sampler option. */
  probability: number;
}

export interface TopTokens {
  id: number;
  text: string;
  probability: number;
  candidates: Candidate[];
}

/** stop: an end token or a stop string; length: maxTokens or a full context. */
export type FinishReason = 'stop' | 'length';

export interface Usage {
  promptTokens: number;
  completionTokens: number;
  /** Tokens of the prompt that were still there from before. */
  cachedTokens: number;
}

export interface Timings {
  promptMs: number;
  promptPerSecond: number;
  generateMs: number;
  generatePerSecond: number;
}

export interface Chunk {
  text: string;
  /** The tokens behind the text; the text of one may wait for the next, or for a stop string to be ruled out. */
  ids: number[];
  /** One for each id, where `top` was asked for. */
  top?: TopTokens[];
  /** The last chunk has these, and the rest of the text. */
  finishReason?: FinishReason;
  usage?: Usage;
  timings?: Timings;
  seed?: number;
}

export interface ModelInfo {
  description: string;
  architecture: string;
  name: string;
  parameters: number;
  contextSize: number;
  trainedContextSize: number;
  vocabularySize: number;
  layers: number;
  embeddingSize: number;
  /** Name of the chat template; null where it has none that is known. */
  chatTemplate: string | null;
  tokenizer: string;
  weightBytes: number;
  memory: { weights: number; kv: number; activations: number; workers: number; total: number; wasm: number };
  /** note: why a better level is not used; null where it is. */
  backend: { description: string; level: string; threads: number; note: string | null };
  version: string;
}

export interface PlanStep {
  op: string;
  kernel: string;
  node: string;
  /** Number of the layer; null outside of all. */
  layer: number | null;
  tiles: number;
  operations: number;
  bytes: number;
}

export interface ProfileStep extends PlanStep {
  /** Summed over all runs since the last reset. */
  ms: number;
}

export interface Model {
  readonly info: ModelInfo;
  /** Calls on a busy model wait for their turn, those of the loop itself until all is computed. Leaving the loop stops the computation. */
  generate(prompt: string | Message[], options?: GenerateOptions): AsyncGenerator<Chunk, void, void>;
  readonly chat: { readonly completions: ChatCompletions };
  tokenize(text: string, options?: { special?: boolean; parse?: boolean }): Promise<number[]>;
  detokenize(ids: number[], options?: { special?: boolean }): Promise<string>;
  /** The steps of a run, at their largest. */
  plan(): Promise<PlanStep[]>;
  /** Where the time went; `reset` begins anew after. */
  profile(options?: { reset?: boolean }): Promise<ProfileStep[]>;
  /** Ends the worker and gives its memory back. What is pending is rejected with code `closed`. */
  close(): Promise<void>;
}

// ---- OpenAI's objects --------------------------------------------------------------------------------------------------------

/** Texts are joined as they stand; parts of another type are refused with code `unsupported`. */
export interface ChatCompletionTextPart {
  type: 'text';
  text: string;
}

/** Further fields are ignored, unless they are of tools, audio or a refusal: those are refused with code `unsupported`. */
export type ChatCompletionMessage =
  | { role: 'system' | 'developer' | 'user'; content: string | ChatCompletionTextPart[]; name?: string }
  /** Without content: an empty answer. */
  | { role: 'assistant'; content?: string | ChatCompletionTextPart[] | null; refusal?: null; name?: string };

/** OpenAI's fields that say nothing about the answer are ignored, those that would change it are refused with code `unsupported`. */
export interface ChatCompletionRequest {
  messages: ChatCompletionMessage[];
  model?: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean; include_obfuscation?: boolean } | null;
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  logit_bias?: Record<string, number> | null;
  stop?: string | string[] | null;
  seed?: number | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  n?: 1 | null;
  signal?: AbortSignal;
  /** Ignored. */
  user?: string | null;
  store?: boolean | null;
  metadata?: Record<string, string> | null;
  service_tier?: string | null;
  safety_identifier?: string | null;
  prompt_cache_key?: string | null;
  prompt_cache_retention?: string | null;
  parallel_tool_calls?: boolean | null;
  prediction?: unknown;
  /** Beyond OpenAI, as llama.cpp's server takes them. */
  top_k?: number;
  min_p?: number;
  repeat_penalty?: number;
  repeat_last_n?: number;
}

export interface TokenLogprob {
  token: string;
  /** -9999 for a probability of 0, as OpenAI has it. */
  logprob: number;
  bytes: number[] | null;
  top_logprobs: { token: string; logprob: number; bytes: number[] | null }[];
}

export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: 0;
    message: { role: 'assistant'; content: string; refusal: null };
    finish_reason: FinishReason;
    logprobs: { content: TokenLogprob[] } | null;
  }[];
  usage: CompletionUsage;
}

export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: 0;
    delta: { role?: 'assistant'; content?: string };
    finish_reason: FinishReason | null;
    logprobs: { content: TokenLogprob[] } | null;
  }[];
  usage?: CompletionUsage | null;
}

export interface ChatCompletions {
  create(request: ChatCompletionRequest & { stream: true }): Promise<AsyncIterable<ChatCompletionChunk>>;
  create(request: ChatCompletionRequest & { stream?: false | null }): Promise<ChatCompletion>;
  create(request: ChatCompletionRequest): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
}

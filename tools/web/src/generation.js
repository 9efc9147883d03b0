/* generation.js: the token loop of the worker. Where memory is shared, the page stops a run itself, at the next tile (link.js). Where it is not, a
 * long prompt is evaluated in slices of about 50 ms, between which an abort is heard; that changes no bit, since any cut of a prompt gives the
 * same. */

import { CANCELLED, aborted } from './errors.js';

const SLICE_MS = 50;
const LARGEST_SLICE = 256;
const FIRST_SLICE = 16;
const GROWTH = 4;
const FIRST_WORK = 6e8; /* multiplications: half a slice where one thread does 2e10 a second, 120 ms on a machine four times slower */
const COLUMNS = 4; /* from so many tokens on, kernels decode a weight once for all of them: they take little longer than two */
const NUMBERS = ['temperature', 'topK', 'topP', 'minP', 'repeatPenalty', 'presencePenalty', 'frequencyPenalty', 'repeatLastN', 'minKeep'];

/* Text that may still turn out to be the beginning of a stop string is held back. */
class Stops {
  constructor(stops) {
    this.stops = stops;
    this.held = '';
  }

  /* Gives back what can be shown, and whether a stop string ended it. */
  push(text) {
    this.held += text;
    const ends = this.stops.map((s) => this.held.indexOf(s)).filter((at) => at >= 0);
    if (ends.length) return { text: this.held.slice(0, Math.min(...ends)), stopped: true };
    let keep = 0;
    for (const s of this.stops)
      for (let n = Math.min(s.length - 1, this.held.length); n > keep; n--) if (s.startsWith(this.held.slice(-n))) keep = n;
    const shown = this.held.slice(0, this.held.length - keep);
    this.held = this.held.slice(this.held.length - keep);
    return { text: shown, stopped: false };
  }
}

function makeSampler(wasm, options, seed) {
  const bias = Object.entries(options.logitBias ?? {});
  const numbers = Float64Array.from(NUMBERS, (name) => options[name] ?? NaN);
  const ids = Int32Array.from(bias, ([id]) => Number(id));
  const values = Float32Array.from(bias, ([, value]) => value);
  wasm.with([numbers, ids, values], (n, i, v) => wasm.check(wasm.exports.web_sampler(n, seed, i, v, bias.length)));
}

/* Tokens of a model's very first slice, when nothing has been measured: a token is a multiplication for each parameter. */
export const firstSlice = (parameters) => Math.max(1, Math.min(FIRST_SLICE, Math.floor(FIRST_WORK / parameters)));

/* How many tokens take SLICE_MS at the pace of the last ones; COLUMNS, if these take no more than twice that. It grows step by step, because few
 * tokens and a coarse clock tell little. */
export function nextSlice(tokens, ms) {
  const fitting = (budget) => Math.round((tokens * budget) / ms);
  const least = fitting(2 * SLICE_MS) >= COLUMNS ? COLUMNS : 1;
  return Math.max(1, Math.min(LARGEST_SLICE, GROWTH * tokens, Math.max(least, fitting(SLICE_MS))));
}

/* Evaluates the prompt's tokens from `from` on. The engine keeps the size of slices for its next prompt. */
async function evaluatePrompt(engine, call, from, n) {
  const { wasm, host } = engine;
  if (engine.shared) return evaluate(wasm, n);
  for (let at = from; at < n; ) {
    const began = performance.now();
    const to = Math.min(n, at + engine.slice);
    evaluate(wasm, to);
    const ms = performance.now() - began;
    if (to - at === engine.slice || ms > SLICE_MS) engine.slice = nextSlice(to - at, ms);
    at = to;
    await host.turn();
    if (call.signal.aborted) throw aborted();
  }
  return undefined;
}

function evaluate(wasm, n) {
  const status = wasm.exports.web_eval(n);
  if (status === CANCELLED) throw aborted();
  wasm.check(status);
}

function piece(wasm, id) {
  wasm.check(wasm.exports.web_piece(id));
  return wasm.text();
}

/* The likeliest tokens at this place; the one drawn is added once it is known. */
function topTokens(wasm, k) {
  const n = wasm.exports.web_top(k);
  const pairs = wasm.numbers(2 * n);
  return Array.from({ length: n }, (_, i) => ({ id: pairs[2 * i], text: piece(wasm, pairs[2 * i]), probability: pairs[2 * i + 1] }));
}

export async function generate(engine, call, ids, options, fresh) {
  const { wasm, host } = engine;
  const { exports } = wasm;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const stops = new Stops([options.stop ?? []].flat());
  const most = options.maxTokens ?? Infinity;
  const begin = performance.now();
  makeSampler(wasm, options, seed);
  wasm.with([Int32Array.from(ids)], (at) => wasm.check(exports.web_start(at, ids.length, fresh ? 1 : 0)));
  const [cached] = wasm.numbers(1);
  await host.turn();
  if (call.signal.aborted) throw aborted();
  await evaluatePrompt(engine, call, cached, ids.length);
  const prompted = performance.now();

  let tokens = 0;
  let finishReason = 'length';
  let last = { text: '', ids: [] };
  let cut = false; /* by a stop string */
  while (tokens < most) {
    const candidates = options.top ? topTokens(wasm, options.top) : null;
    wasm.check(exports.web_draw());
    const [id, ended, full] = wasm.numbers(3);
    const { text, stopped } = stops.push(wasm.text());
    tokens++;
    const chunk = { text, ids: [id] };
    if (candidates) chunk.top = [{ id, probability: exports.web_probability(id), text: piece(wasm, id), candidates }];
    if (ended || stopped) {
      finishReason = 'stop';
      last = chunk;
      cut = stopped;
      break;
    }
    if (full || tokens >= most) {
      last = chunk;
      break;
    }
    call.event('chunk', chunk);
    await host.turn();
    if (call.signal.aborted) throw aborted();
    evaluate(wasm, ids.length + tokens);
  }
  if (!cut) {
    wasm.check(exports.web_finish());
    last.text += stops.held + wasm.text();
  }
  const end = performance.now();
  const rate = (n, ms) => (ms > 0 ? (n / ms) * 1000 : 0);
  return {
    ...last,
    finishReason,
    usage: { promptTokens: ids.length, completionTokens: tokens, cachedTokens: cached },
    timings: {
      promptMs: prompted - begin,
      promptPerSecond: rate(ids.length - cached, prompted - begin),
      generateMs: end - prompted,
      generatePerSecond: rate(Math.max(tokens - 1, 0), end - prompted),
    },
    seed,
  };
}

/* generation.js: the token loop of the worker. Without threads a long prompt is evaluated in slices of about 50 ms, between which an abort is
 * heard; that changes no bit, since any cut of a prompt gives the same. With threads the page stops a run itself, at the next tile. */

import { CANCELLED, aborted } from './errors.js';

const SLICE_MS = 50;
const FIRST_SLICE = 4;
const LARGEST_SLICE = 256;
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

/* Evaluates the prompt's tokens from `from` on. */
async function evaluatePrompt(engine, call, from, n) {
  const { wasm, host } = engine;
  let slice = engine.threads > 1 ? n : FIRST_SLICE;
  for (let at = from; at < n; ) {
    const before = performance.now();
    const to = Math.min(n, at + slice);
    evaluate(wasm, to);
    const ms = Math.max(performance.now() - before, 0.1);
    slice = Math.max(1, Math.min(LARGEST_SLICE, Math.round(((to - at) * SLICE_MS) / ms)));
    at = to;
    await host.turn();
    if (call.signal.aborted) throw aborted();
  }
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
      if (stopped) stops.held = '';
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
  if (finishReason === 'length' || stops.held) {
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

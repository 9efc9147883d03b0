/* model.js: a loaded model as users see it: checks what they pass, queues their calls, and turns the worker's events into iterators. */

import { aborted, checkSignal, usage } from './errors.js';
import { chatCompletions } from './openai.js';

const ROLES = ['system', 'user', 'assistant'];
/* name: least, most, whole */
const OPTIONS = {
  temperature: [0, 1e4],
  topK: [0, 2 ** 31 - 1, true],
  topP: [0, 1],
  minP: [0, 1],
  repeatPenalty: [0, 1e4],
  presencePenalty: [-1e4, 1e4],
  frequencyPenalty: [-1e4, 1e4],
  repeatLastN: [-1, 2 ** 31 - 1, true],
  minKeep: [0, 2 ** 31 - 1, true],
  seed: [0, 2 ** 32 - 1, true],
  maxTokens: [1, 2 ** 53 - 1, true],
  top: [0, 100, true],
};

/* Larger numbers would be cut to 32 bits, and be other tokens. */
const isId = (id) => Number.isInteger(id) && id === (id | 0);

function checkOptions(o) {
  for (const [name, [least, most, whole]] of Object.entries(OPTIONS)) {
    const v = o[name];
    if (v === undefined) continue;
    usage(
      typeof v === 'number' && v >= least && v <= most && (!whole || Number.isInteger(v)),
      `${name} is ${v}, expected ${whole ? 'an integer' : 'a number'} from ${least} to ${most}`,
    );
  }
  for (const s of [o.stop ?? []].flat()) usage(typeof s === 'string' && s !== '', 'stop: expected a string that is not empty, or several');
  for (const [id, value] of Object.entries(o.logitBias ?? {}))
    usage(/^\d+$/.test(id) && isId(Number(id)) && typeof value === 'number' && !Number.isNaN(value), `logitBias: '${id}: ${value}' is no id and number`);
}

function checkMessages(messages) {
  usage(messages.length > 0, 'messages is empty: give at least one');
  for (const [i, m] of messages.entries()) {
    usage(ROLES.includes(m?.role), `messages[${i}].role is '${m?.role}', expected one of ${ROLES.join(', ')}`);
    usage(typeof m.content === 'string', `messages[${i}].content is no string`);
    usage(!m.content.includes('\0'), `messages[${i}].content holds a character U+0000, which chat templates cannot`);
  }
}

/* One call at a time, in the order of asking. */
class Queue {
  constructor() {
    this.tail = Promise.resolve();
  }

  /* Resolves, when it is this caller's turn, to a function that ends the turn. */
  async enter(signal) {
    let leave;
    const before = this.tail;
    const mine = new Promise((resolve) => (leave = resolve));
    this.tail = before.then(() => mine);
    if (!signal) {
      await before;
      return leave;
    }
    let stop;
    const gone = new Promise((_, reject) => {
      stop = () => reject(aborted());
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
    });
    try {
      await Promise.race([before, gone]);
      return leave;
    } catch (e) {
      leave();
      throw e;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/* What a worker pushes and a loop pulls. */
class Mailbox {
  constructor() {
    this.items = [];
    this.wake = () => {};
  }

  put(item) {
    this.items.push(item);
    this.wake();
  }

  async *take() {
    for (;;) {
      while (this.items.length) {
        const item = this.items.shift();
        if (item.end) return item.end;
        if (item.error) throw item.error;
        yield item.chunk;
      }
      await new Promise((resolve) => (this.wake = resolve));
    }
  }
}

export class Model {
  #link;
  #queue = new Queue();

  constructor(link, info) {
    this.#link = link;
    this.info = info;
    this.chat = { completions: chatCompletions(this) };
  }

  async *generate(prompt, options = {}) {
    const messages = Array.isArray(prompt) ? prompt : undefined;
    usage(messages || typeof prompt === 'string', 'generate: expected a string or an array of messages');
    const { signal, ...rest } = options;
    checkSignal(signal);
    checkOptions(rest);
    if (messages) checkMessages(messages);
    const leave = await this.#queue.enter(signal);
    const inner = new AbortController();
    const stop = () => inner.abort();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const box = new Mailbox();
    const done = this.#link
      .call('generate', { prompt: messages ? undefined : prompt, messages, options: rest }, { signal: inner.signal, on: { chunk: (chunk) => box.put({ chunk }) } })
      .then(
        (end) => box.put({ end }),
        (error) => box.put({ error }),
      );
    try {
      yield yield* box.take();
    } finally {
      stop(); /* where the loop was left early; else nothing is there to stop */
      await done;
      signal?.removeEventListener('abort', stop);
      leave();
    }
  }

  async #call(name, args) {
    const leave = await this.#queue.enter();
    try {
      return await this.#link.call(name, args);
    } finally {
      leave();
    }
  }

  async tokenize(text, { special = false, parse = false } = {}) {
    usage(typeof text === 'string', 'tokenize: expected a string');
    return this.#call('tokenize', { text, special, parse });
  }

  async detokenize(ids, { special = false } = {}) {
    usage(Array.isArray(ids) && ids.every(isId), 'detokenize: expected an array of ids');
    return this.#call('detokenize', { ids, special });
  }

  async plan() {
    return this.#call('plan', {});
  }

  async profile({ reset = false } = {}) {
    return this.#call('profile', { reset });
  }

  async close() {
    this.#link.end();
    await this.#link.gone;
  }
}


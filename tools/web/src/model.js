/* model.js: a loaded model as users see it: checks what they pass, queues their calls, and turns the worker's events into iterators. */

import { aborted, usage } from './errors.js';
import { checkMessages } from './messages.js';
import { chatCompletions } from './openai.js';
import { GENERATE, checkKinds, checkNames, checkValues, isId, shown } from './options.js';

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

/* What a worker pushes and a loop pulls. An abort is heard even where the worker has ended and the loop still has to read. */
class Mailbox {
  constructor() {
    this.items = [];
    this.wake = () => {};
  }

  put(item) {
    this.items.push(item);
    this.wake();
  }

  async *take(signal) {
    for (;;) {
      while (this.items.length) {
        const item = this.items.shift();
        if (item.error) throw item.error;
        if (signal?.aborted) throw aborted();
        if (item.end) return item.end;
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
    usage(Array.isArray(prompt) || typeof prompt === 'string', `generate: the prompt is ${shown(prompt)}, expected a string or an array of messages`);
    checkNames('generate', options, GENERATE);
    const { signal } = options;
    checkKinds(options, { signal: 'signal' });
    const values = checkValues(options);
    const messages = Array.isArray(prompt) ? checkMessages(prompt) : undefined;
    const leave = await this.#queue.enter(signal);
    const inner = new AbortController();
    const stop = () => inner.abort();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const box = new Mailbox();
    const done = this.#link
      .call('generate', { prompt: messages ? undefined : prompt, messages, options: values }, { signal: inner.signal, on: { chunk: (chunk) => box.put({ chunk }) } })
      .then(
        (end) => box.put({ end }),
        (error) => box.put({ error }),
      )
      .finally(() => {
        signal?.removeEventListener('abort', stop);
        leave(); /* the turn ends with the work: a loop may ask the model for something else, or never be taken up again */
      });
    try {
      yield yield* box.take(signal);
    } finally {
      stop(); /* where the loop was left early; else nothing is there to stop */
      await done;
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

  async tokenize(text, options = {}) {
    checkNames('tokenize', options, ['special', 'parse']);
    checkKinds(options, { special: 'flag', parse: 'flag' });
    const { special = false, parse = false } = options;
    usage(typeof text === 'string', `tokenize: the text is ${shown(text)}, expected a string`);
    return this.#call('tokenize', { text, special, parse });
  }

  async detokenize(ids, options = {}) {
    checkNames('detokenize', options, ['special']);
    checkKinds(options, { special: 'flag' });
    const { special = false } = options;
    usage(Array.isArray(ids), `detokenize: the ids are ${shown(ids)}, expected an array of ids`);
    const plain = Array.from(ids);
    for (const id of plain) usage(isId(id), `detokenize: ${shown(id)} is no id, expected an array of ids`);
    return this.#call('detokenize', { ids: plain, special });
  }

  async plan() {
    return this.#call('plan', {});
  }

  async profile(options = {}) {
    checkNames('profile', options, ['reset']);
    checkKinds(options, { reset: 'flag' });
    const { reset = false } = options;
    return this.#call('profile', { reset });
  }

  async close() {
    this.#link.end();
    await this.#link.gone;
  }
}


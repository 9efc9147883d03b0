/* link.js: the page's half of the conversation with a model's workers: calls and their answers, events meanwhile, and the one way in which all
 * of it ends. Whatever kills a worker (a trap, a script that cannot be loaded, the system) ends the link: every pending call is rejected, and
 * so is every later one; nothing hangs. */

import { TallyError, aborted, closed, fromPlain } from './errors.js';

export class Link {
  constructor(host, workerUrl) {
    this.host = host;
    this.workerUrl = workerUrl;
    this.pending = new Map();
    this.workers = [];
    this.next = 1;
    this.started = false; /* whether the worker's script runs, so that it hears an abort */
    this.ended = null; /* the error that later calls get */
    this.memory = null; /* shared with the workers, where there are threads */
    this.cancelWord = 0;
    this.engine = this.spawn();
    this.engine.listen((message) => this.receive(message));
  }

  spawn() {
    const worker = this.make();
    worker.failed((message) => this.end(new TallyError('internal', `a worker of the model ended: ${message}`)));
    this.workers.push(worker);
    return worker;
  }

  make() {
    try {
      return this.host.spawn(this.workerUrl);
    } catch (e) {
      throw new TallyError('internal', `a worker of the model cannot be started: ${e.message}; see workerUrl`, { cause: e });
    }
  }

  /* One call at a time. on: by event, what to do. A handler's value, or its promise's, goes back for those that ask. */
  call(name, args, { signal, on = {} } = {}) {
    if (this.ended) return Promise.reject(this.ended);
    if (signal?.aborted) return Promise.reject(aborted());
    const id = this.next++;
    this.setCancelWord(0); /* an abort may have come too late for the call before */
    return new Promise((resolve, reject) => {
      const abort = () => this.abort(id);
      signal?.addEventListener('abort', abort, { once: true });
      const settle = (f) => (value) => {
        signal?.removeEventListener('abort', abort);
        this.pending.delete(id);
        if (this.pending.size === 0) this.engine.idle?.(true);
        f(value);
      };
      this.pending.set(id, { resolve: settle(resolve), reject: settle(reject), on });
      this.engine.idle?.(false);
      try {
        this.engine.post({ id, call: name, args });
      } catch (e) {
        this.pending.get(id).reject(new TallyError('usage', `${name}: an option cannot be sent to a worker: ${e.message}`, { cause: e }));
      }
    });
  }

  abort(id) {
    if (!this.started) return this.end(aborted());
    if (!this.pending.has(id)) return undefined;
    this.setCancelWord(1);
    return this.engine.post({ abort: id });
  }

  /* What tiles look at while they compute. */
  setCancelWord(value) {
    if (this.memory && this.cancelWord) Atomics.store(new Int32Array(this.memory.buffer), this.cancelWord >>> 2, value);
  }

  receive(message) {
    this.started = true;
    const call = this.pending.get(message.id);
    if (!call) return;
    if (message.event) this.handle(call, message);
    else if (message.error) {
      const error = fromPlain(message.error);
      if (message.fatal) this.end(error);
      else call.reject(error);
    } else call.resolve(message.value);
  }

  async handle(call, { id, event, data }) {
    try {
      const value = await (event === 'spawn' ? this.lend(data) : call.on[event]?.(data));
      if (event === 'spawn' || event === 'pull') this.engine.post({ answer: id, value });
    } catch (e) {
      const error = e instanceof TallyError ? e : new TallyError('file', `the source of the model failed: ${e?.message ?? e}`, { cause: e });
      if (event === 'spawn' || event === 'pull') this.engine.post({ answer: id, error: { code: error.code, message: error.message } });
      else call.reject(e);
    }
  }

  /* A worker for each slot, ready before the answer. */
  async lend({ module, memory, slots }) {
    this.memory = memory;
    await Promise.all(
      slots.map(
        (slot) =>
          new Promise((ready) => {
            const worker = this.spawn();
            worker.listen(({ lent, failed }) => {
              if (failed) this.end(fromPlain(failed));
              if (!lent) return;
              worker.idle?.(true);
              ready();
            });
            worker.post({ lend: { module, memory, slot } });
          }),
      ),
    );
  }

  end(error = closed()) {
    if (this.ended) return;
    this.ended = error;
    for (const { reject } of [...this.pending.values()]) reject(error);
    this.gone = Promise.all(this.workers.map((worker) => worker.terminate()));
    this.memory = null;
  }
}

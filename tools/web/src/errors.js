/* errors.js: the package's one error class, how it crosses between page and worker, and which of the library's statuses is which code. */

/** @type {Record<string, string>} code: who has to do something about it; see tally.d.ts */
export class TallyError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = 'TallyError';
    this.code = code;
  }
}

/* tl_status in the order of tensor.h: ok, more, cancelled, usage, range, memory, io, format, unsupported, full, internal. */
const CODES = ['internal', 'internal', 'aborted', 'usage', 'usage', 'memory', 'file', 'file', 'unsupported', 'usage', 'internal'];
export const OK = 0;
export const MORE = 1;
export const CANCELLED = 2;

export function statusError(status, message) {
  return new TallyError(CODES[status] ?? 'internal', message || `the module answered with status ${status}`);
}

export const aborted = () => new TallyError('aborted', 'the operation was aborted');
export const closed = () => new TallyError('closed', 'the model is closed: load it again');

export const toPlain = (e) =>
  e instanceof TallyError
    ? { code: e.code, message: e.message }
    : { code: 'internal', message: `${e?.name ?? 'Error'}: ${e?.message ?? e}; please report it`, stack: e?.stack };

export function fromPlain(plain) {
  return new TallyError(plain.code, plain.message, plain.stack ? { cause: plain.stack } : undefined);
}

export function usage(condition, message) {
  if (!condition) throw new TallyError('usage', message);
}

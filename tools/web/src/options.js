/* options.js: checks of what users pass by name. A name that a call does not know is refused, since what was meant by it would be left undone
 * without a word. */

import { usage } from './errors.js';

/* name: least, most, whole */
const NUMBERS = {
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
export const GENERATE = [...Object.keys(NUMBERS), 'logitBias', 'stop', 'signal', 'parseSpecial'];

/* An object of names and values. What keeps its data elsewhere (a Map, a Promise) would look empty. */
export const isRecord = (value) => /^\[object (Object|Module)\]$/.test(Object.prototype.toString.call(value));

/* quiet: names that are taken, too, but not told to anybody. */
export function checkNames(call, options, names, quiet = []) {
  usage(isRecord(options), `${call}: the options are ${shown(options)}, expected an object`);
  const plain = (name) => name.toLowerCase().replaceAll('_', ''); /* what OpenAI's spelling and ours have in common */
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || names.includes(name) || quiet.includes(name)) continue;
    const meant = names.find((n) => plain(n) === plain(name));
    usage(false, `${call}: there is no option '${name}'${meant ? `: is '${meant}' meant?` : `, only ${names.join(', ')}`}`);
  }
}

/* A value in a message, told from others that print alike. */
export function shown(value) {
  if (typeof value === 'string') return `the string '${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  return isRecord(value) ? 'an object' : `a ${Object.prototype.toString.call(value).slice('[object '.length, -1)}`;
}

export function checkNumber(name, value, least, most, whole) {
  usage(
    typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value)),
    `${name} is ${shown(value)}, expected ${whole ? 'an integer' : 'a number'} from ${least} to ${most}`,
  );
}

const KINDS = {
  flag: ['true or false', (v) => typeof v === 'boolean'],
  text: ['a string', (v) => typeof v === 'string'],
  function: ['a function', (v) => typeof v === 'function'],
  record: ['an object', isRecord],
  address: ['a string or a URL', (v) => typeof v === 'string' || v instanceof URL],
  digest: ['64 hexadecimal digits', (v) => typeof v === 'string' && /^[0-9a-f]{64}$/i.test(v)],
  /* Any object may have the methods, as the console does. */
  logger: ['an object with functions info and warn', (v) => [v?.info, v?.warn].every((f) => f === undefined || typeof f === 'function') && (isRecord(v) || Boolean(v?.info ?? v?.warn))],
  /* Another thing in its place would fail in the midst of a call, which could not end its turn then. null: none, as with fetch. */
  signal: ['an AbortSignal', (v) => v === null || (typeof v.addEventListener === 'function' && typeof v.removeEventListener === 'function' && typeof v.aborted === 'boolean')],
};

/* kinds: of which kind each of some options must be. */
export function checkKinds(options, kinds) {
  for (const [name, kind] of Object.entries(kinds)) {
    const [wanted, is] = KINDS[kind];
    usage(options[name] === undefined || is(options[name]), `${name} is ${shown(options[name])}, expected ${wanted}`);
  }
}

/* Larger numbers would be cut to 32 bits, and be other tokens. */
export const isId = (id) => Number.isInteger(id) && id === (id | 0);

/* Values for generate(), given back as plain data, whatever else the caller's objects hold. nameOf: what the caller calls an option. */
export function checkValues(o, nameOf = (name) => name) {
  const { stop, logitBias, parseSpecial } = o;
  const plain = {};
  for (const [name, range] of Object.entries(NUMBERS)) {
    if (o[name] === undefined) continue;
    checkNumber(nameOf(name), o[name], ...range);
    plain[name] = o[name];
  }
  checkKinds(o, { parseSpecial: 'flag' });
  if (parseSpecial !== undefined) plain.parseSpecial = parseSpecial;
  if (stop !== undefined) {
    usage(typeof stop === 'string' || Array.isArray(stop), `stop is ${shown(stop)}, expected a string, or an array of them`);
    plain.stop = Array.isArray(stop) ? Array.from(stop) : [stop];
    for (const s of plain.stop) usage(typeof s === 'string' && s !== '', `stop is ${s === stop ? '' : 'an array with '}${shown(s)}, expected strings that are not empty`);
  }
  if (logitBias !== undefined) {
    const name = nameOf('logitBias');
    usage(isRecord(logitBias), `${name} is ${shown(logitBias)}, expected an object of ids and numbers`);
    plain.logitBias = { ...logitBias };
    for (const [id, value] of Object.entries(plain.logitBias)) {
      usage(/^\d+$/.test(id) && isId(Number(id)), `${name} has '${id}', expected the id of a token`);
      usage(typeof value === 'number' && !Number.isNaN(value), `${name} of ${id} is ${shown(value)}, expected a number`);
    }
  }
  return plain;
}

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
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

export function checkNumber(name, value, least, most, whole) {
  usage(
    typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value)),
    `${name} is ${shown(value)}, expected ${whole ? 'an integer' : 'a number'} from ${least} to ${most}`,
  );
}

/* Larger numbers would be cut to 32 bits, and be other tokens. */
export const isId = (id) => Number.isInteger(id) && id === (id | 0);

/* Values for generate(). nameOf: what the caller calls an option. */
export function checkValues(o, nameOf = (name) => name) {
  for (const [name, range] of Object.entries(NUMBERS)) if (o[name] !== undefined) checkNumber(nameOf(name), o[name], ...range);
  for (const s of [o.stop ?? []].flat()) usage(typeof s === 'string' && s !== '', 'stop: expected a string that is not empty, or several');
  for (const [id, value] of Object.entries(o.logitBias ?? {}))
    usage(
      /^\d+$/.test(id) && isId(Number(id)) && typeof value === 'number' && !Number.isNaN(value),
      `${nameOf('logitBias')}: '${id}: ${shown(value)}' is no id and number`,
    );
}

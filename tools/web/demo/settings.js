/* settings.js: the form of sampler options, kept between visits. What the user has not touched is not passed on, so that a model file's own
 * recommendation holds. */

import { el } from './dom.js';

const KEPT = 'tally-settings';

/* name, label, least, most, step, value shown at first, help */
const RANGES = [
  ['temperature', 'Temperature', 0, 2, 0.05, 0.8, '0 always takes the likeliest token.'],
  ['topP', 'Top p', 0, 1, 0.01, 0.95, 'Keeps the likeliest tokens up to this share.'],
  ['minP', 'Min p', 0, 1, 0.01, 0.05, 'Drops what is less likely than this part of the likeliest.'],
  ['topK', 'Top k', 0, 200, 1, 40, 'Keeps so many tokens; 0 keeps all.'],
  ['repeatPenalty', 'Repeat penalty', 1, 2, 0.01, 1, '1 is off.'],
];

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

export class Settings {
  constructor(form, threads) {
    this.values = read();
    this.form = form;
    this.threads = threads;
    this.render();
    form.addEventListener('submit', (event) => event.preventDefault());
  }

  save() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.values));
    } catch {
      /* A browser that keeps nothing for pages: they hold until this one is closed. */
    }
  }

  set(name, value) {
    if (value === undefined || Number.isNaN(value)) delete this.values[name];
    else this.values[name] = value;
    this.save();
  }

  /* For generate(). */
  get sampling() {
    const { system, contextSize, threads, ...options } = this.values;
    return options;
  }

  get loading() {
    const { contextSize = 2048, threads } = this.values;
    return { contextSize, ...(threads ? { threads } : {}) };
  }

  get system() {
    return this.values.system ?? '';
  }

  range([name, label, min, max, step, shown, help]) {
    const id = `set-${name}`;
    const input = el('input', { id, type: 'range', min, max, step, value: this.values[name] ?? shown, 'aria-describedby': `${id}-help` });
    const output = el('output', { htmlFor: id });
    const show = () => (output.textContent = this.values[name] === undefined ? `${shown} (default)` : String(this.values[name]));
    input.addEventListener('input', () => {
      this.set(name, Number(input.value));
      show();
    });
    show();
    return el('div.setting', {}, el('label', { htmlFor: id }, label), output, input, el('small', { id: `${id}-help` }, help));
  }

  number(name, label, placeholder, help, least = 0) {
    const id = `set-${name}`;
    const input = el('input', { id, type: 'number', min: least, step: 1, value: this.values[name] ?? '', placeholder, inputMode: 'numeric' });
    input.addEventListener('change', () => {
      const v = input.value === '' ? undefined : Math.max(least, Math.floor(Number(input.value)));
      this.set(name, v);
      input.value = v ?? '';
    });
    return el('div.setting', {}, el('label', { htmlFor: id }, label), input, el('small', {}, help));
  }

  render() {
    const system = el('textarea', { id: 'set-system', rows: 3, value: this.system, placeholder: 'You are a helpful assistant.' });
    system.addEventListener('input', () => this.set('system', system.value || undefined));
    const stop = el('input', { id: 'set-stop', type: 'text', value: this.values.stop ?? '', placeholder: 'none' });
    stop.addEventListener('change', () => this.set('stop', stop.value || undefined));
    const reset = el('button', { type: 'button' }, 'Back to defaults');
    reset.addEventListener('click', () => {
      this.values = {};
      this.save();
      this.render();
      this.form.querySelector('textarea').focus();
    });
    this.form.replaceChildren(
      el('fieldset', {}, el('legend', {}, 'Instructions'), el('div.setting.tall', {}, el('label', { htmlFor: 'set-system' }, 'System message'), system)),
      el('fieldset', {}, el('legend', {}, 'Sampling'), ...RANGES.map((r) => this.range(r))),
      el(
        'fieldset',
        {},
        el('legend', {}, 'Answer'),
        this.number('seed', 'Seed', 'random', 'The same seed gives the same answer, on every machine.'),
        this.number('maxTokens', 'Longest answer', 'no limit', 'In tokens.', 1),
        el('div.setting.tall', {}, el('label', { htmlFor: 'set-stop' }, 'Stop at this text'), stop),
      ),
      el(
        'fieldset',
        {},
        el('legend', {}, 'Next load'),
        this.number('contextSize', 'Context', '2048', 'Tokens that a conversation can hold; more takes more memory.', 64),
        this.number('threads', 'Threads', 'automatic', this.threads ? 'Half of the processors by default.' : 'One: this page is not cross-origin isolated.', 1),
      ),
      reset,
    );
  }
}

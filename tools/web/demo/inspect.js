/* inspect.js: two pages of the panel: a token with what else it could have been, and the time that each layer took. */

import { $, el, ms, percent, visible } from './dom.js';

/* ---- a token ---- */

export function showToken(token, index, count, go) {
  const page = $('page-token');
  const certainty = el('input', { type: 'checkbox', id: 'certainty', checked: $('messages').classList.contains('certainty') });
  certainty.addEventListener('change', () => $('messages').classList.toggle('certainty', certainty.checked));
  const check = el('label.check', { htmlFor: 'certainty' }, certainty, 'Colour the tokens that were unlikely');
  if (!token) {
    page.replaceChildren(
      el('h2', {}, 'What else could it have said?'),
      el('p.hint', {}, 'Choose any word of an answer: click it, or focus the answer and use the arrow keys.'),
      check,
    );
    return;
  }
  const rank = token.candidates.findIndex((c) => c.id === token.id);
  const shown = rank < 0 ? [...token.candidates, token] : token.candidates;
  const step = (label, to, title) => {
    const b = el('button', { type: 'button', disabled: to < 0 || to >= count, title }, label);
    b.addEventListener('click', () => go(to));
    return b;
  };
  page.replaceChildren(
    el('h2', {}, `Token ${index + 1} of ${count}`),
    el('p.token-quote', {}, ...visible(token.text)),
    el(
      'p.facts',
      {},
      el('span', {}, 'id ', el('b', {}, String(token.id))),
      el('span', {}, 'probability ', el('b', {}, percent(token.probability))),
      el('span', {}, 'rank ', el('b', {}, rank < 0 ? `beyond ${token.candidates.length}` : String(rank + 1))),
    ),
    el('h2', {}, 'The likeliest at this place'),
    el('p.hint', {}, 'As the model has it, before temperature and the other settings.'),
    el(
      'ol.candidates',
      {},
      ...shown.map((c) =>
        el(
          c.id === token.id ? 'li.is' : 'li',
          { title: `id ${c.id}` },
          el('span.what', {}, ...visible(c.text)),
          el('span.track', {}, el('span', { style: { width: `${c.probability * 100}%` } })),
          el('span.share', {}, percent(c.probability)),
        ),
      ),
    ),
    el('div.stepper', {}, step('← Previous', index - 1), step('Next →', index + 1)),
    check,
  );
}

/* ---- layers ---- */

export function partOf(step) {
  if (/attn|rope|cache/.test(step.node) || step.op === 'attention') return 'attn';
  return /ffn|swiglu|geglu|\.out$/.test(step.node) ? 'ffn' : 'rest';
}

/* Steps by layer: before, each layer, after. */
export function byLayer(steps) {
  const groups = new Map();
  let name = 'input';
  for (const step of steps) {
    if (step.layer !== null) name = step.layer;
    else if (name !== 'input' && !/rope/.test(step.op)) name = 'output';
    const key = step.layer ?? (/rope/.test(step.op) ? 'input' : name);
    if (!groups.has(key)) groups.set(key, { key, steps: [], ms: 0, attn: 0, ffn: 0, rest: 0 });
    const group = groups.get(key);
    group.steps.push(step);
    group.ms += step.ms ?? 0;
    group[step.layer === null ? 'rest' : partOf(step)] += step.ms ?? 0;
  }
  return [...groups.values()];
}

export const label = (key) => (typeof key === 'number' ? `layer ${key}` : key);

export function showLayers(profile, tokens, choose) {
  const page = $('page-layers');
  const groups = byLayer(profile);
  const total = groups.reduce((sum, g) => sum + g.ms, 0);
  if (!total) {
    page.replaceChildren(el('h2', {}, 'Where the time goes'), el('p.hint', {}, 'Ask something first; the times are those of the last answer.'));
    return;
  }
  /* Layers are compared with each other: what comes before or after them may take longer, and its bar is cut then. */
  const most = Math.max(...groups.filter((g) => typeof g.key === 'number').map((g) => g.ms));
  const ops = new Map();
  for (const s of profile) ops.set(s.op, (ops.get(s.op) ?? 0) + s.ms);
  const sorted = [...ops].sort((a, b) => b[1] - a[1]).slice(0, 6);
  const width = (v, of) => ({ style: { width: `${(v / of) * 100}%` } });
  page.replaceChildren(
    el('h2', {}, 'Where the time went'),
    el('p.hint', {}, `${ms(total)} ms for the last answer${tokens ? `, ${ms(total / tokens)} ms for each of its ${tokens} tokens (prompt and answer)` : ''}.`),
    el('p.key', {}, el('span.attn', {}, 'attention'), el('span.ffn', {}, 'feed-forward'), el('span.rest', {}, 'other')),
    el(
      'div.bars',
      {},
      ...groups.map((g) => {
        const b = el(
          'button',
          { type: 'button', title: 'Show it in the plan' },
          el('span', {}, label(g.key)),
          el(g.ms > most ? 'span.track.cut' : 'span.track', {}, ...['attn', 'ffn', 'rest'].map((part) => el(`span.${part}`, width(g[part], most)))),
          el('span.share', {}, `${ms(g.ms)} ms`),
        );
        b.addEventListener('click', () => choose(g.key));
        return b;
      }),
    ),
    el('h2', { style: { marginTop: '1.6rem' } }, 'By operation'),
    el(
      'ol.candidates',
      {},
      ...sorted.map(([op, v]) =>
        el('li', {}, el('span.what', {}, op), el('span.track', {}, el('span', width(v, sorted[0][1]))), el('span.share', {}, percent(v / total))),
      ),
    ),
  );
}

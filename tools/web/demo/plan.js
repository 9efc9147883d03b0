/* plan.js: the plan as a picture, read from top to bottom: input, the layers before the chosen one as a stack, that one opened, the layers
 * behind it, output. A bar in each step is its part of the time of the last answer, or of the operations where there was none. */

import { byLayer, label } from './inspect.js';
import { $, el, ms, svg } from './dom.js';

const WIDTH = 340;
const LEFT = 26; /* of boxes; the residual runs left of it */
const ROW = 25;
const BOX = 20;

const count = (n) => {
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]]) if (n >= size) return `${(n / size).toFixed(n >= 10 * size ? 0 : 1)} ${unit}`;
  return String(Math.round(n));
};

/* "attn_q" of "blk.3.attn_q", "cache.k" of "cache.3.k". */
const role = (step) => step.node.replace(/^blk\.\d+\./, '').replace(/^cache\.\d+\./, 'cache.') || step.op;

class Picture {
  /* A full bar is the largest step of the opened layer. */
  constructor(steps, opened) {
    this.timed = steps.some((s) => s.ms > 0);
    this.weight = (s) => (this.timed ? s.ms : s.operations);
    this.most = Math.max(...(opened ?? steps).map(this.weight), 1e-9);
    this.items = [];
    this.y = 4;
  }

  add(...items) {
    this.items.push(...items);
  }

  wire(from, to) {
    this.add(svg('path', { class: 'wire', d: `M${LEFT + 14} ${from}V${to}` }));
  }

  step(step) {
    const y = this.y;
    const width = WIDTH - LEFT - 6;
    const share = Math.min(1, this.weight(step) / this.most);
    const title = svg('title', {}, `${step.op} by ${step.kernel}${step.node ? `, ${step.node}` : ''}: ${count(step.operations)} operations, ${count(step.bytes)} bytes, ${step.tiles} tiles`);
    this.add(
      svg(
        'g',
        {},
        title,
        svg('rect', { class: 'box', x: LEFT, y, width, height: BOX, rx: 4 }),
        svg('rect', { class: 'heat', x: LEFT, y: y + BOX - 2.5, width: Math.max(share > 0 ? 1.5 : 0, width * share), height: 2.5, rx: 1.2 }),
        svg('text', { x: LEFT + 8, y: y + 13.5 }, role(step)),
        svg('text', { class: 'dim', x: LEFT + 112, y: y + 13.5 }, step.op === role(step) ? '' : step.op.slice(0, 18)),
        svg('text', { class: 'dim end', x: WIDTH - 14, y: y + 13.5 }, this.timed ? `${ms(step.ms)} ms` : count(step.operations)),
      ),
    );
    this.y += ROW;
  }

  steps(list) {
    for (const [i, step] of list.entries()) {
      if (i > 0) this.wire(this.y - ROW + BOX, this.y);
      this.step(step);
    }
  }

  /* Layers that stay closed. */
  stack(groups) {
    if (!groups.length) return;
    const y = this.y + 6;
    const sheets = Math.min(groups.length, 4);
    const height = 26;
    const name = groups.length === 1 ? label(groups[0].key) : `layers ${groups[0].key} to ${groups.at(-1).key}`;
    const time = groups.reduce((sum, g) => sum + g.ms, 0);
    this.wire(this.y - (ROW - BOX), y);
    for (let i = sheets - 1; i >= 0; i--) this.add(svg('rect', { class: 'stack', x: LEFT + 3 * i, y: y + 3 * i, width: WIDTH - LEFT - 6 - 3 * (sheets - 1), height, rx: 5 }));
    this.add(svg('text', { x: LEFT + 10, y: y + 17 }, name), svg('text', { class: 'dim end', x: WIDTH - 18 - 3 * sheets, y: y + 17 }, this.timed ? `${ms(time)} ms` : `× ${groups.length}`));
    this.y = y + height + 3 * (sheets - 1);
    this.wire(this.y, this.y + 8);
    this.y += 8;
  }

  /* The residual that goes around a part and comes back at its end. */
  part(name, list) {
    if (!list.length) return;
    const top = this.y;
    this.add(svg('text', { class: 'dim', x: LEFT + 26, y: top + 12 }, name));
    this.wire(top, top + 18);
    this.y = top + 18;
    this.steps(list);
    const end = this.y - ROW + BOX / 2;
    this.add(svg('path', { class: 'wire skip', d: `M${LEFT + 14} ${top + 4}H12Q8 ${top + 4} 8 ${top + 8}V${end - 4}Q8 ${end} 12 ${end}H${LEFT}` }));
    this.wire(this.y - (ROW - BOX), this.y + 4);
    this.y += 4;
  }

  layer(group) {
    const top = this.y;
    this.y += 22;
    const title = svg('text', { x: LEFT, y: top + 14 }, label(group.key));
    this.add(title);
    if (this.timed) this.add(svg('text', { class: 'dim end', x: WIDTH - 14, y: top + 14 }, `${ms(group.ms)} ms`));
    const at = group.steps.findIndex((s) => /ffn/.test(s.node));
    const cut = at < 0 ? group.steps.length : at;
    this.part('attention', group.steps.slice(0, cut));
    this.part('feed-forward', group.steps.slice(cut));
    this.items.unshift(svg('rect', { class: 'layer-box', x: 2, y: top - 2, width: WIDTH - 4, height: this.y - top, rx: 7 }));
    this.y += 4;
  }

  svg(title) {
    return svg('svg', { class: 'plan', viewBox: `0 0 ${WIDTH} ${this.y + 4}`, role: 'img', 'aria-label': title }, ...this.items);
  }
}

export function showPlan(steps, chosen, choose) {
  const page = $('page-plan');
  const groups = byLayer(steps);
  const layers = groups.filter((g) => typeof g.key === 'number');
  const at = Math.max(0, layers.findIndex((g) => g.key === chosen));
  const picture = new Picture(steps, layers[at]?.steps);
  const input = groups.find((g) => g.key === 'input');
  const output = groups.find((g) => g.key === 'output');
  if (input) picture.steps(input.steps);
  picture.stack(layers.slice(0, at));
  picture.y += 6;
  if (layers[at]) picture.layer(layers[at]);
  picture.stack(layers.slice(at + 1));
  picture.y += 2;
  if (output) picture.steps(output.steps);
  const slider = el('input', { type: 'range', id: 'plan-layer', min: 0, max: Math.max(0, layers.length - 1), value: at });
  slider.addEventListener('input', () => {
    choose(layers[Number(slider.value)].key);
    $('plan-layer').focus();
  });
  page.replaceChildren(
    el('h2', {}, 'What one run computes'),
    el('p.hint', {}, `${steps.length} steps in ${layers.length} layers. Bars and figures: ${picture.timed ? 'time in the last answer' : 'operations of the largest run'}.`),
    el('div.plan-pick', {}, el('label', { htmlFor: 'plan-layer' }, 'Layer'), slider, el('output', { htmlFor: 'plan-layer' }, String(layers[at]?.key ?? '–'))),
    picture.svg(`The plan: input, ${layers.length} layers of which number ${layers[at]?.key} is opened, output`),
  );
}

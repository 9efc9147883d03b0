/* dom.js: making elements and numbers for people. */

export const $ = (id) => document.getElementById(id);

/* el('p.error', { title: 'x' }, 'text', child): a tag with classes, properties, children. */
export function el(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const e = document.createElement(name);
  if (classes.length) e.className = classes.join(' ');
  set(e, props);
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

/* To those who hear the page. What has been said is not said again. */
export function announce(text) {
  if ($('announce').textContent !== text) $('announce').textContent = text;
}

/* Where what had the focus is gone, something near gets it. */
export function refocus(element) {
  if (document.activeElement === document.body) element?.focus();
}

export function svg(tag, props = {}, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

function set(e, props) {
  for (const [name, value] of Object.entries(props))
    if (name === 'style') Object.assign(e.style, value); /* not the attribute: the page's policy allows none */
    else if (name in e && name !== 'list' && name !== 'role') e[name] = value;
    else e.setAttribute(name, value);
}

export function bytes(n) {
  if (n >= 2 ** 30) return `${(n / 2 ** 30).toFixed(n < 10 * 2 ** 30 ? 2 : 1)} GB`;
  if (n >= 2 ** 20) return `${Math.round(n / 2 ** 20)} MB`;
  return `${Math.max(1, Math.round(n / 1024))} kB`;
}

export const rate = (n) => (n >= 10 ? n.toFixed(0) : n.toFixed(1));
export const percent = (p) => (p >= 0.1 ? `${(p * 100).toFixed(0)} %` : p >= 0.001 ? `${(p * 100).toFixed(1)} %` : '< 0.1 %');
export const ms = (v) => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));

export const duration = (v) => (v < 1000 ? `${Math.round(v)} ms` : `${(v / 1000).toFixed(1)} s`);

/* A token's text with its blanks made visible. */
export function visible(text) {
  const parts = [];
  for (const c of text.match(/[ \n\t\r]|[^ \n\t\r]+/g) ?? []) {
    const mark = { ' ': '·', '\n': '↵', '\t': '⇥', '\r': '␍' }[c];
    parts.push(mark ? el('i', {}, mark) : c);
  }
  return parts.length ? parts : [el('i', {}, 'nothing')];
}

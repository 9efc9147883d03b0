/* start.js: the first page: choosing a model, and watching it come. */

import { cache, load } from '../src/tally.js';
import { $, announce, bytes, el, refocus } from './dom.js';

/* For people to read; what is no URL, as it was typed: load says what is wrong with it. */
function nameOf(url) {
  try {
    return decodeURIComponent(new URL(url, location.href).pathname.split('/').pop() || url);
  } catch {
    return url;
  }
}

export class Start {
  /* onModel(model, name) once one is loaded; options() gives what to load it with. */
  constructor(options, onModel) {
    this.options = options;
    this.onModel = onModel;
    $('from-url').addEventListener('submit', (event) => {
      event.preventDefault();
      this.load($('url').value, nameOf($('url').value));
    });
    $('file').addEventListener('change', () => {
      const [file] = $('file').files;
      if (file) this.load(file, file.name);
      $('file').value = '';
    });
    $('loading-cancel').addEventListener('click', () => this.controller?.abort());
    this.acceptDrops();
  }

  acceptDrops() {
    let depth = 0;
    const mark = (d) => document.body.classList.toggle('dropping', (depth = Math.max(0, depth + d)) > 0);
    addEventListener('dragenter', () => mark(1));
    addEventListener('dragleave', () => mark(-1));
    addEventListener('dragover', (event) => event.preventDefault());
    addEventListener('drop', (event) => {
      event.preventDefault();
      mark(-depth);
      const [file] = event.dataTransfer.files;
      /* Not in the midst of a conversation, whose model would stay. */
      if (file && !this.controller && document.body.dataset.view === 'start') this.load(file, file.name);
    });
  }

  async show() {
    document.body.dataset.view = 'start';
    announce('');
    /* What stood here last may be gone: no button of it is to be pressed while the list is read again. */
    $('kept-row').hidden = true;
    $('kept').replaceChildren();
    $('start').hidden = false;
    $('chooser').hidden = false;
    $('loading').hidden = true;
    await Promise.all([this.showServed(), this.showKept()]);
  }

  /* The list beside the page, where whoever serves it has one. */
  async showServed() {
    const list = await fetch('models.json')
      .then((r) => (r.ok ? r.json() : []))
      .catch(() => []); /* some hosts answer with a page for whatever they lack */
    $('models').replaceChildren(
      ...list.map((m) => {
        const button = el('button', {}, el('span', {}, el('b', {}, m.name), el('small', {}, bytes(m.bytes))), el('span.go', {}, 'Load'));
        button.addEventListener('click', () => this.load(new URL(m.url, location.href).href, m.name));
        return el('li', {}, button);
      }),
    );
  }

  async showKept() {
    const entries = await cache.list().catch(() => []);
    $('kept-row').hidden = entries.length === 0;
    $('kept').replaceChildren(
      ...entries.map((e) => {
        const name = nameOf(e.url);
        const what = e.complete ? 'Load' : 'Resume';
        const open = el('button.quiet', { 'aria-label': `${what} ${name}` }, what);
        const remove = el('button.quiet', { 'aria-label': `Remove ${name} from this browser` }, 'Remove');
        open.addEventListener('click', () => this.load(e.url, name));
        remove.addEventListener('click', async () => {
          await cache.delete(e.key);
          await this.showKept();
          refocus($('kept').querySelector('button') ?? $('url'));
        });
        return el('li', {}, el('span', { title: e.url }, name), el('small', {}, bytes(e.size)), open, remove);
      }),
    );
  }

  message(id, text) {
    $(id).hidden = !text;
    $(id).textContent = text;
  }

  async load(source, name) {
    this.controller = new AbortController();
    this.message('start-error', '');
    this.message('start-notice', '');
    $('chooser').hidden = true;
    $('loading').hidden = false;
    $('loading-name').textContent = name;
    this.say('Opening…');
    $('loading-bar').removeAttribute('value');
    $('loading-cancel').focus();
    const began = performance.now();
    let startedAt;
    try {
      const model = await load(source, {
        ...this.options(),
        signal: this.controller.signal,
        logger: { warn: (text) => this.message('start-notice', text), info: (text) => this.say(text) },
        onProgress: (p) => {
          startedAt ??= { bytes: p.loaded, time: performance.now() };
          this.progress(p, startedAt);
        },
      });
      $('start').hidden = true;
      this.onModel(model, name, performance.now() - began);
    } catch (e) {
      if (e.code !== 'aborted') this.message('start-error', e.message);
      await this.show();
      refocus($('chooser').querySelector('button'));
    } finally {
      this.controller = null;
    }
  }

  /* The figures of a download change too often to be read aloud: of them, only what is done is. */
  say(text, aloud = text) {
    $('loading-text').textContent = text;
    announce(aloud);
  }

  progress({ loaded, total, from }, since) {
    const what = { network: 'Downloading', cache: 'Reading from this browser', local: 'Reading' }[from];
    const seconds = (performance.now() - since.time) / 1000;
    const speed = from === 'network' && seconds > 0.5 ? ` · ${bytes((loaded - since.bytes) / seconds)}/s` : '';
    if (total) $('loading-bar').value = loaded / total;
    if (loaded === total) this.say('Preparing…');
    else this.say(`${what}: ${bytes(loaded)}${total ? ` of ${bytes(total)}` : ''}${speed}`, what);
  }
}

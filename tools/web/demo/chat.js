/* chat.js: the conversation: what was said, the line to type in, and the answer as it comes. Each token of an answer is an element that can be
 * chosen, by pointer or with the arrow keys, to be looked at in the panel. */

import { $, announce, duration, el, percent, rate, refocus } from './dom.js';

const SUGGESTIONS = ['Explain why the sky is blue.', 'Write a haiku about the sea.', 'Give me three names for a cat.'];
const CANDIDATES = 10;
const NEAR = 60; /* pixels from the end within which the view follows */

/* Between fences of Markdown, blanks and columns count. */
const inCode = (text) => text.split('```').length % 2 === 0;

/* 0 (sure) to 3. */
const doubt = (p) => (p >= 0.6 ? 0 : p >= 0.3 ? 1 : p >= 0.1 ? 2 : 3);

export class Chat {
  /* hooks: settings, onToken(token, answer), onSpeed(tokensPerSecond), onDone() */
  constructor(hooks) {
    this.hooks = hooks;
    this.messages = [];
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.running) this.stop();
      else this.send($('input').value);
    });
    $('input').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        if (!this.running) this.send($('input').value);
      }
    });
    $('input').addEventListener('input', () => this.update());
    $('suggestions').append(
      ...SUGGESTIONS.map((text) => {
        const button = el('button', { type: 'button' }, text);
        button.addEventListener('click', () => this.send(text));
        return el('li', {}, button);
      }),
    );
  }

  begin(model) {
    this.model = model;
    this.clear();
    $('chat').hidden = false;
    $('input').focus();
  }

  clear() {
    this.stop();
    this.messages = [];
    this.chosen = null;
    $('messages').replaceChildren();
    this.update();
  }

  stop() {
    this.running?.abort();
  }

  update() {
    const busy = Boolean(this.running);
    $('empty').hidden = this.messages.length > 0;
    $('composer').classList.toggle('busy', busy);
    $('send').setAttribute('aria-label', busy ? 'Stop' : 'Send');
    $('send').disabled = !busy && !$('input').value.trim();
  }

  send(text) {
    if (!text.trim() || this.running) return;
    $('input').value = '';
    this.messages.push({ role: 'user', content: text.trim() });
    $('messages').append(el('div.message.user', {}, el('p.said', {}, text.trim())));
    this.answer();
  }

  retry() {
    if (this.running) return;
    while (this.messages.at(-1)?.role === 'assistant') this.messages.pop();
    $('messages').lastElementChild?.remove();
    this.answer();
  }

  followEnd() {
    const s = $('scroll');
    if (s.scrollHeight - s.scrollTop - s.clientHeight < NEAR) this.scrollToEnd();
  }

  scrollToEnd() {
    $('scroll').scrollTop = $('scroll').scrollHeight;
  }

  makeAnswer() {
    const said = el('p.said', { tabIndex: 0, role: 'group', 'aria-label': 'Answer; arrow keys go through its tokens' });
    const below = el('div.below');
    const element = el('div.message.assistant.running', {}, said, below);
    const answer = { said, below, element, tokens: [], text: '' };
    said.addEventListener('click', (event) => {
      const span = event.target.closest('.token');
      if (span && getSelection().isCollapsed) this.choose(answer, Number(span.dataset.index));
    });
    said.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
      if (!step || !answer.tokens.length) return;
      event.preventDefault();
      this.choose(answer, this.chosen?.answer === answer ? this.chosen.index + step : step > 0 ? 0 : answer.tokens.length - 1);
      const { index } = this.chosen;
      const { text, probability } = answer.tokens[index];
      announce(`${text.trim() || 'blank'}, ${percent(probability)}, token ${index + 1} of ${answer.tokens.length}`);
    });
    return answer;
  }

  choose(answer, index) {
    index = Math.max(0, Math.min(answer.tokens.length - 1, index));
    this.chosen?.span?.classList.remove('chosen');
    const token = answer.tokens[index];
    token.span?.classList.add('chosen');
    token.span?.scrollIntoView({ block: 'nearest' });
    this.chosen = { answer, index, span: token.span };
    this.hooks.onToken(token, index, answer.tokens.length, (to) => this.choose(answer, to));
  }

  addToken(answer, { text, top }) {
    const [info] = top ?? [];
    const index = answer.tokens.length;
    const token = { ...info, span: null };
    answer.tokens.push(token);
    answer.text += text;
    if (!text) return;
    token.span = el('span.token', {}, text);
    if (inCode(answer.text)) token.span.classList.add('code');
    token.span.dataset.index = index;
    token.span.dataset.doubt = info ? doubt(info.probability) : 0;
    answer.said.append(token.span);
  }

  async answer() {
    const { settings } = this.hooks;
    const answer = this.makeAnswer();
    $('messages').append(answer.element);
    this.running = new AbortController();
    this.update();
    this.scrollToEnd();
    announce('');
    refocus($('send')); /* the button that was pressed may be gone with the answer that it was for */
    const system = settings.system ? [{ role: 'system', content: settings.system }] : [];
    let last;
    let first;
    let failure;
    try {
      await this.model.profile({ reset: true });
      for await (const chunk of this.model.generate([...system, ...this.messages], { ...settings.sampling, top: CANDIDATES, signal: this.running.signal })) {
        this.addToken(answer, chunk);
        first ??= performance.now();
        const seconds = (performance.now() - first) / 1000;
        if (answer.tokens.length > 1) this.hooks.onSpeed((answer.tokens.length - 1) / seconds);
        this.followEnd();
        if (chunk.finishReason) last = chunk;
      }
    } catch (e) {
      failure = e;
    }
    this.finish(answer, last, failure);
  }

  finish(answer, last, failure) {
    const stopped = failure?.code === 'aborted';
    this.running = null;
    if (!answer.element.isConnected) return this.update(); /* of a conversation that is gone */
    answer.element.classList.remove('running');
    if (answer.text || !failure) this.messages.push({ role: 'assistant', content: answer.text });
    if (last) this.hooks.onSpeed(last.timings.generatePerSecond);
    const { usage, timings, finishReason } = last ?? {};
    const figures = last
      ? `${usage.completionTokens} tokens · ${rate(timings.generatePerSecond)}/s · first after ${duration(timings.promptMs)}${finishReason === 'length' ? ' · cut at its limit' : ''}`
      : stopped
        ? `stopped after ${answer.tokens.length} tokens`
        : '';
    const button = (label, f) => {
      const b = el('button.quiet', { type: 'button' }, label);
      b.addEventListener('click', f);
      return b;
    };
    for (const b of $('messages').querySelectorAll('.retry')) b.remove();
    const retry = button('Retry', () => this.retry());
    retry.classList.add('retry');
    const copy = button('Copy', async () => {
      /* A page that is not secure has no clipboard. */
      copy.textContent = await Promise.resolve(navigator.clipboard?.writeText(answer.text) ?? Promise.reject()).then(
        () => 'Copied',
        () => 'Not allowed',
      );
      setTimeout(() => (copy.textContent = 'Copy'), 1500);
    });
    answer.below.append(...(figures ? [el('span.figures', {}, figures)] : []), copy, retry);
    if (failure && !stopped) answer.element.insertBefore(el('p.error', { role: 'alert' }, failure.message), answer.below);
    announce(stopped ? 'Stopped' : failure ? '' : answer.text);
    const hadFocus = [$('send'), document.body].includes(document.activeElement);
    this.update();
    this.followEnd();
    if (hadFocus && matchMedia('(hover: hover)').matches) $('input').focus(); /* a phone would put its keyboard over the answer */
    return this.hooks.onDone(last);
  }
}

/* panel.js: the panel beside the conversation: tabs by pointer, arrow keys and the two buttons of the bar. On a phone it is a sheet over the
 * lower part of the page. */

import { $ } from './dom.js';

const INSPECT = ['token', 'layers', 'plan'];

export class Panel {
  constructor(onShow) {
    this.onShow = onShow;
    this.tabs = [...$('tabs').children];
    for (const tab of this.tabs) tab.addEventListener('click', () => this.select(this.nameOf(tab)));
    $('tabs').addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = this.tabs[(this.tabs.findIndex((t) => this.nameOf(t) === this.shown) + step + this.tabs.length) % this.tabs.length];
      this.select(this.nameOf(next));
      next.focus();
    });
    $('toggle-inspect').addEventListener('click', () => this.toggle(this.inspected ?? 'token', INSPECT));
    $('toggle-settings').addEventListener('click', () => this.toggle('settings', ['settings']));
    $('panel-close').addEventListener('click', () => this.close());
    this.select('token', false);
  }

  nameOf(tab) {
    return tab.id.slice('tab-'.length);
  }

  get open() {
    return !$('panel').hidden;
  }

  get focused() {
    return $('panel').contains(document.activeElement);
  }

  toggle(name, group) {
    if (this.open && group.includes(this.shown)) return this.close();
    this.select(name);
    $(`tab-${name}`).focus();
    return undefined;
  }

  close() {
    const { focused } = this;
    $('panel').hidden = true;
    this.mark();
    if (focused) (this.opener?.isConnected ? this.opener : $('input')).focus(); /* back to where one came from */
  }

  select(name, open = true) {
    this.shown = name;
    if (INSPECT.includes(name)) this.inspected = name;
    if (open && !this.focused) this.opener = document.activeElement;
    if (open) $('panel').hidden = false;
    for (const tab of this.tabs) {
      const mine = this.nameOf(tab) === name;
      tab.setAttribute('aria-selected', mine);
      tab.tabIndex = mine ? 0 : -1;
      $(`page-${this.nameOf(tab)}`).hidden = !mine;
    }
    this.mark();
    if (open) this.onShow(name);
  }

  mark() {
    $('toggle-inspect').setAttribute('aria-expanded', this.open && INSPECT.includes(this.shown));
    $('toggle-settings').setAttribute('aria-expanded', this.open && this.shown === 'settings');
  }
}

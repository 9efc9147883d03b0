/* page.test.mjs: the chat page in Chromium, used as a person would: by pointer and by keyboard, wide and narrow, light and dark. Pictures of each
 * state go to TALLY_WEB_SHOTS, where that is set. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeServer } from '../serve.mjs';
import { discard, listen, missing, openBrowser, stop } from './chromium.mjs';
import { tinyModel } from './tiny.mjs';

const shots = process.env.TALLY_WEB_SHOTS;
const demo = process.env.TALLY_DEMO_MODEL;
const real = Boolean(shots && demo); /* pictures want words in them */
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };

test('the chat page', { skip: missing }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tally-page-'));
  const tiny = join(folder, 'tiny.gguf');
  writeFileSync(tiny, tinyModel());
  const server = makeServer({ models: real ? [demo, tiny] : [tiny] });
  const base = await listen(server);
  const { context, close } = await openBrowser({ viewport: WIDE });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(120000);
  const faults = [];
  page.on('pageerror', (e) => faults.push(String(e)));
  page.on('console', (m) => m.type() === 'error' && faults.push(m.text()));
  const shot = async (name) => {
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `${name}.png`) });
  };
  const dark = (on) => page.emulateMedia({ colorScheme: on ? 'dark' : 'light' });
  after(async () => {
    await close();
    await stop(server);
    discard(folder);
  });

  await t.test('does without a list of models, and says what is wrong with a link', async () => {
    await page.route('**/models.json', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><p>whatever is asked for' }));
    await page.goto(base);
    await page.locator('#url').evaluate((input) => {
      input.value = 'http://%';
      input.form.noValidate = true; /* browsers differ in what they let pass */
      input.form.requestSubmit();
    });
    await page.getByRole('alert').filter({ hasText: "'http://%' is no address" }).waitFor();
    assert.deepEqual(faults, []);
    await page.unroute('**/models.json');
  });

  await t.test('offers the models that are served, a link and a file', async () => {
    await dark(false);
    await page.goto(base);
    await page.getByRole('button', { name: /tiny/ }).waitFor();
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    await page.getByLabel('From a link').waitFor();
    await page.getByLabel('From a file').waitFor({ state: 'attached' });
    await shot('start-light');
    await dark(true);
    await shot('start-dark');
  });

  await t.test('says what is wrong with a file', async () => {
    await page.setInputFiles('#file', { name: 'page.gguf', mimeType: 'text/html', buffer: Buffer.from('<!doctype html><p>no model') });
    await page.getByRole('alert').filter({ hasText: 'page.gguf: not a GGUF file' }).waitFor();
    await shot('error-dark');
    await dark(false);
  });

  /* What was read aloud meanwhile. */
  const overhear = () =>
    page.evaluate(() => {
      const said = (globalThis.said = []);
      new MutationObserver(() => said.push(document.getElementById('announce').textContent)).observe(document.getElementById('announce'), { childList: true });
    });
  const heard = () => page.evaluate(() => globalThis.said.filter(Boolean));
  const focused = () => page.evaluate(() => document.activeElement.id);

  await t.test('loads, shows what it uses, and is ready to type', async () => {
    await overhear();
    await page.getByRole('button', { name: real ? /SmolLM2/ : /tiny/ }).click();
    if (real) {
      await page.waitForFunction(() => document.querySelector('#loading-bar').value > 0.3);
      await shot('loading-light');
    }
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    assert.equal(await focused(), 'input');
    const said = await heard(); /* steps, and not each figure of them; a download may be over too soon to be one */
    assert.deepEqual(said, ['Opening…', 'Downloading', 'Preparing…'].filter((step) => step !== 'Downloading' || said.includes(step)));
    assert.match(await page.locator('#stat-backend').textContent(), /\w+ × [12]/);
    assert.match(await page.locator('#stat-memory').textContent(), /\d+ (MB|kB)/);
    await shot('empty-light');
  });

  await t.test('answers what is typed, and gives figures', async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByLabel('Longest answer').fill(real ? '48' : '24');
    await page.getByLabel('Seed').fill('3');
    await page.getByLabel('Seed').press('Tab');
    await shot('settings-light');
    await page.keyboard.press('Escape');
    await page.getByRole('textbox', { name: 'Message' }).fill('Why is the sky blue?');
    await overhear();
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'input');
    await page.locator('.assistant .token').nth(2).waitFor();
    await shot('answering-light');
    await page.locator('.assistant .figures').waitFor();
    assert.deepEqual(await heard(), [await page.locator('.assistant .said').textContent()]);
    assert.match(await page.locator('.figures').textContent(), /\d+ tokens · [\d.]+\/s/);
    assert.match(await page.locator('#stat-speed').textContent(), /tokens\/s/);
    await shot('answer-light');
  });

  await t.test('shows what else a token could have been, by pointer and by arrow keys', async () => {
    await page.locator('.assistant .token').nth(3).click();
    await page.getByRole('tabpanel', { name: 'Token' }).waitFor();
    const first = await page.locator('#page-token h2').first().textContent();
    assert.equal(await page.locator('#page-token .candidates li.is').count(), 1);
    assert.ok((await page.locator('#page-token .candidates li').count()) >= 10);
    await page.locator('.assistant .said').focus();
    await page.keyboard.press('ArrowRight');
    assert.notEqual(await page.locator('#page-token h2').first().textContent(), first);
    assert.match(await page.locator('#announce').textContent(), /, (< )?[\d.]+ %, token \d+ of \d+$/);
    await page.getByLabel('Colour the tokens').check();
    await shot('token-light');
    await dark(true);
    await shot('token-dark');
  });

  await t.test('shows the time of each layer and the plan', async () => {
    await page.getByRole('tab', { name: 'Layers' }).click();
    const bars = page.locator('#page-layers .bars button');
    assert.ok((await bars.count()) >= 4);
    await shot('layers-dark');
    await bars.nth(2).click();
    await page.locator('#page-plan svg').waitFor();
    assert.match(await page.locator('#page-plan svg').textContent(), /layer 1.*attn_q.*ffn_down|layer 1.*attn_q.*ffn_up/);
    await shot('plan-dark');
    await dark(false);
    await shot('plan-light');
    await page.getByRole('tab', { name: 'Plan' }).focus();
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.getByRole('tab', { name: 'Layers' }).getAttribute('aria-selected'), 'true');
    await shot('layers-light');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#panel').isVisible(), false);
  });

  await t.test('stops and tries again', async () => {
    /* In one turn of the page, so that however fast the model is, it has not ended. */
    const said = await page.evaluate(() => {
      document.querySelector('.retry').click();
      const send = document.getElementById('send');
      const label = send.getAttribute('aria-label');
      send.click();
      return label;
    });
    assert.equal(said, 'Stop');
    await page.locator('.assistant .figures').filter({ hasText: 'stopped after' }).waitFor();
    assert.equal(await page.locator('.message').count(), 2);
    await page.getByRole('button', { name: 'Retry' }).press('Enter');
    await page.locator('.assistant .figures').filter({ hasText: 'first after' }).waitFor();
    assert.equal(await focused(), 'input');
    assert.equal(await page.locator('.message').count(), 2);
    assert.equal(await page.getByRole('button', { name: 'Send' }).count(), 1);
  });

  await t.test('Escape ends what one is in: the panel before the answer', async () => {
    const seen = await page.evaluate(() => {
      const escape = () => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
      const state = () => [document.getElementById('panel').hidden, document.getElementById('send').getAttribute('aria-label'), document.activeElement.id];
      document.querySelector('.retry').focus();
      document.querySelector('.retry').click();
      const states = [state()];
      document.getElementById('toggle-settings').focus();
      document.getElementById('toggle-settings').click();
      states.push(state());
      escape();
      states.push(state());
      escape();
      return states;
    });
    assert.deepEqual(seen, [
      [true, 'Stop', 'send'],
      [false, 'Stop', 'tab-settings'],
      [true, 'Stop', 'toggle-settings'],
    ]);
    await page.locator('.assistant .figures').filter({ hasText: 'stopped after' }).waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.locator('.assistant .figures').filter({ hasText: 'first after' }).waitFor();
  });

  await t.test('sets code as code, and each script in its own direction', async () => {
    const seen = await page.evaluate(async () => {
      const { Chat } = await import('./chat.js');
      const said = Object.assign(document.createElement('p'), { className: 'said' });
      document.getElementById('messages').append(said);
      const answer = { tokens: [], text: '', said };
      for (const text of ['Thus:\n', '``', '`c\n', 'a = 1\n', '```', '\nשלום']) Chat.prototype.addToken(answer, { text });
      const right = said.lastChild.getClientRects()[1]?.right ?? said.lastChild.getBoundingClientRect().right;
      const box = said.getBoundingClientRect();
      const classes = [...said.children].map((s) => s.classList.contains('code'));
      said.remove();
      return { classes, gap: box.right - right };
    });
    assert.deepEqual(seen.classes, [false, false, true, true, false, false]);
    assert.ok(seen.gap < 3, `Hebrew ends ${seen.gap} pixels from the right`);
  });

  await t.test('what is dropped into a conversation is not loaded beside its model', async () => {
    const [before, then] = await page.evaluate(() => {
      const name = () => document.getElementById('loading-name').textContent;
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['GGUF'], 'dropped.gguf'));
      const was = name();
      dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }));
      return [was, name()];
    });
    assert.equal(then, before);
  });

  await t.test('fits a phone', async () => {
    await page.setViewportSize(PHONE);
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok((await overflow()) <= 0);
    await page.evaluate(() => {
      document.querySelector('.user .said').textContent = 'x'.repeat(300);
    });
    assert.ok((await overflow()) <= 0);
    for (const id of ['speed', 'memory', 'backend']) assert.equal(await page.locator(`#stat-${id}`).isVisible(), true);
    await shot('phone-chat-light');
    await page.locator('.assistant .token').first().click();
    await dark(true);
    await shot('phone-token-dark');
    assert.ok((await overflow()) <= 0);
    await page.getByRole('tab', { name: 'Plan' }).click();
    await shot('phone-plan-dark');
    await page.getByRole('tab', { name: 'Settings' }).click();
    await shot('phone-settings-dark');
    assert.ok((await overflow()) <= 0);
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'New' }).click();
    await shot('phone-empty-dark');
    await page.setViewportSize(WIDE);
    await dark(false);
  });

  await t.test('a new chat in the middle of an answer is empty', async () => {
    await page.evaluate(() => {
      document.querySelector('#suggestions button').click();
      document.getElementById('new-chat').click();
    });
    await page.locator('.composer:not(.busy)').waitFor();
    assert.equal(await page.locator('.message').count(), 0);
    assert.equal(await page.locator('#empty').isVisible(), true);
  });

  await t.test('goes back, and finds the model in the cache', async () => {
    await page.locator('#home').click();
    await page.locator('#kept li').first().waitFor();
    await shot('kept-light');
    const kept = page.locator('#kept li').first();
    await kept.getByRole('button', { name: 'Load' }).click();
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    /* In the midst of an answer, while the plan waits for it: nobody wants either any more. */
    const stale = await page.evaluate(() => {
      document.querySelector('#suggestions button').click();
      document.getElementById('tab-plan').click();
      document.getElementById('home').click();
      return new Promise((resolve) =>
        new MutationObserver(() => resolve(document.querySelectorAll('#kept li').length)).observe(document.body, {
          attributeFilter: ['data-view'],
        }),
      );
    });
    assert.equal(stale, 0, 'a button of the list before would be pressed in vain');
    await page.locator('#kept li').first().getByRole('button', { name: /^Remove .*\.gguf from this browser$/ }).press('Enter');
    await page.locator('#kept-row').waitFor({ state: 'hidden' });
    assert.equal(await focused(), 'url');
  });

  await t.test('nothing was wrong meanwhile', () => assert.deepEqual(faults, []));
});

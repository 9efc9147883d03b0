/* app.js: puts the page together: start, conversation, panel, and the figures in the bar. It uses what the package exports and nothing else. */

import { Chat } from './chat.js';
import { $, bytes, rate } from './dom.js';
import { showLayers, showToken } from './inspect.js';
import { Panel } from './panel.js';
import { showPlan } from './plan.js';
import { Settings } from './settings.js';
import { Start } from './start.js';

let model = null;
let layer = 0;
let profile = [];
let evaluated = 0;

const settings = new Settings($('page-settings'), crossOriginIsolated);
const panel = new Panel(refresh);
const chat = new Chat({
  settings,
  onToken(...token) {
    showToken(...token);
    panel.select('token');
  },
  onSpeed: (speed) => ($('stat-speed').textContent = `${rate(speed)} tokens/s`),
  async onDone(last) {
    evaluated = last ? last.usage.promptTokens - last.usage.cachedTokens + last.usage.completionTokens : 0;
    profile = model ? await model.profile().catch(() => []) : [];
    if (panel.open) refresh(panel.shown);
  },
});
const start = new Start(() => settings.loading, begin);

async function refresh(name) {
  const asked = model;
  if (!asked || (name !== 'layers' && name !== 'plan')) return;
  /* A plan waits for its turn, and the model may be gone by then. What else fails, the conversation says. */
  const steps = profile.some((s) => s.ms > 0) ? profile : await asked.plan().catch(() => null);
  if (!steps || model !== asked) return;
  const open = (key) => {
    if (typeof key === 'number') layer = key;
    if (panel.shown !== 'plan') panel.select('plan');
    else showPlan(steps, layer, open);
  };
  if (name === 'layers') showLayers(profile, evaluated, open);
  else showPlan(steps, layer, open);
}

function begin(loaded, name) {
  model = loaded;
  profile = [];
  layer = 0;
  const { info } = model;
  document.body.dataset.view = 'chat';
  document.title = `${name} – Tally`;
  $('model-name').textContent = name;
  $('model-name').title = info.description;
  $('stat-speed').textContent = '–';
  $('stat-memory').textContent = bytes(info.memory.total);
  $('stat-memory').title = `weights ${bytes(info.memory.weights)}, cache of ${info.contextSize} tokens ${bytes(info.memory.kv)}, the rest ${bytes(info.memory.activations + info.memory.workers)}`;
  $('stat-backend').textContent = `${info.backend.level} × ${info.backend.threads}`;
  $('stat-backend').title = [info.backend.description, info.backend.note].filter(Boolean).join('; ');
  for (const id of ['model-name', 'stats', 'tools']) $(id).hidden = false;
  showToken(null);
  chat.begin(model);
}

$('home').addEventListener('click', async (event) => {
  event.preventDefault();
  if (!model) return;
  chat.clear();
  const old = model;
  model = null;
  if (panel.open) panel.close();
  for (const id of ['model-name', 'stats', 'tools', 'chat']) $(id).hidden = true;
  document.title = 'Tally';
  await old.close();
  await start.show();
});

$('new-chat').addEventListener('click', () => {
  chat.clear();
  showToken(null);
  $('input').focus();
});

addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing) return;
  if (panel.open && (panel.focused || !chat.running)) panel.close();
  else chat.stop();
});

start.show();

/* tiny.mjs: a small model made up for tests: llama with random weights, byte-level BPE, the chatml template. Its text is noise, and the same
 * noise everywhere. Options change what a test is about. */

const TYPE = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 };

class Writer {
  constructor() {
    this.parts = [];
    this.n = 0;
  }

  bytes(b) {
    this.parts.push(b);
    this.n += b.length;
  }

  number(bytes, set) {
    const b = new Uint8Array(bytes);
    set(new DataView(b.buffer));
    this.bytes(b);
  }

  u32(v) {
    this.number(4, (d) => d.setUint32(0, v, true));
  }

  u64(v) {
    this.number(8, (d) => d.setBigUint64(0, BigInt(v), true));
  }

  f32(v) {
    this.number(4, (d) => d.setFloat32(0, v, true));
  }

  string(s) {
    const b = new TextEncoder().encode(s);
    this.u64(b.length);
    this.bytes(b);
  }

  value(type, v) {
    if (type === 'string') this.string(v);
    else if (type === 'f32') this.f32(v);
    else this.u32(v);
  }

  key(name, type, v, element) {
    this.string(name);
    this.u32(TYPE[type]);
    if (type !== 'array') return this.value(type, v);
    this.u32(TYPE[element]);
    this.u64(v.length);
    for (const item of v) this.value(element, item);
  }

  pad(to) {
    this.bytes(new Uint8Array((to - (this.n % to)) % to));
  }

  all() {
    const out = new Uint8Array(this.n);
    let at = 0;
    for (const p of this.parts) {
      out.set(p, at);
      at += p.length;
    }
    return out;
  }
}

/* GPT-2's letters for the 256 bytes. */
function byteLetters() {
  const plain = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(plain(b) ? b : next++));
}

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/* The file: its table, and functions that make one tensor's data after the other. */
function build({ layers = 2, embd = 64, heads = 4, ff = 128, context = 2048, split, keys = [], template = CHATML, zeros = false }) {
  const letters = byteLetters();
  const merges = ['t h', 'Ġ a', 'h e', 'i n', 'Ġ th', 'o u'];
  const tokens = [...letters, ...merges.map((m) => m.replace(' ', '')), '<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  const types = tokens.map((_, i) => (i >= tokens.length - 3 ? 3 : 1));
  const vocab = tokens.length;
  const w = new Writer();
  const table = [
    ['general.architecture', 'string', 'llama'],
    ['general.name', 'string', 'Tiny'],
    ['llama.block_count', 'u32', layers],
    ['llama.context_length', 'u32', context],
    ['llama.embedding_length', 'u32', embd],
    ['llama.feed_forward_length', 'u32', ff],
    ['llama.attention.head_count', 'u32', heads],
    ['llama.attention.head_count_kv', 'u32', heads],
    ['llama.attention.layer_norm_rms_epsilon', 'f32', 1e-5],
    ['tokenizer.ggml.model', 'string', 'gpt2'],
    ['tokenizer.ggml.pre', 'string', 'gpt-2'],
    ['tokenizer.ggml.tokens', 'array', tokens, 'string'],
    ['tokenizer.ggml.token_type', 'array', types, 'i32'],
    ['tokenizer.ggml.merges', 'array', merges, 'string'],
    ['tokenizer.ggml.bos_token_id', 'u32', vocab - 3],
    ['tokenizer.ggml.eos_token_id', 'u32', vocab - 1],
    ...(template ? [['tokenizer.chat_template', 'string', template]] : []),
    ...(split ? [['split.count', 'u32', split]] : []),
    ...keys,
  ];
  const tensors = [['token_embd.weight', [vocab, embd], 1]];
  for (let i = 0; i < layers; i++) {
    const name = (part) => `blk.${i}.${part}.weight`;
    tensors.push([name('attn_norm'), [embd], 0], [name('ffn_norm'), [embd], 0]);
    for (const part of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) tensors.push([name(part), [embd, embd], 0.3]);
    tensors.push([name('ffn_gate'), [ff, embd], 0.3], [name('ffn_up'), [ff, embd], 0.3], [name('ffn_down'), [embd, ff], 0.3]);
  }
  tensors.push(['output_norm.weight', [embd], 0], ['output.weight', [vocab, embd], 0.5]);

  w.bytes(new TextEncoder().encode('GGUF'));
  w.u32(3);
  w.u64(tensors.length);
  w.u64(table.length);
  for (const row of table) w.key(...row);
  let offset = 0;
  for (const [name, shape] of tensors) {
    w.string(name);
    w.u32(shape.length);
    for (const d of [...shape].reverse()) w.u64(d);
    w.u32(0);
    w.u64(offset);
    offset += Math.ceil((shape.reduce((a, b) => a * b) * 4) / 32) * 32;
  }
  w.pad(32);
  const header = w.all();
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const data = tensors.map(([, shape, scale]) => () => {
    const n = shape.reduce((a, b) => a * b);
    const values = new Float32Array(Math.ceil(n / 8) * 8);
    if (!zeros) for (let i = 0; i < n; i++) values[i] = scale ? random() * scale : 1;
    return new Uint8Array(values.buffer);
  });
  const bytes = tensors.map(([, shape]) => Math.ceil(shape.reduce((a, b) => a * b) / 8) * 32);
  return { header, data, bytes };
}

export function tinyModel(options = {}) {
  const { header, data } = build(options);
  const parts = [header, ...data.map((make) => make())];
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/* The same as a stream of small pieces, which holds a tensor at a time, or nothing but zeros. */
export async function* streamedModel(options) {
  const PIECE = 1 << 20;
  const { header, data, bytes } = build(options);
  yield header;
  const zeros = new Uint8Array(PIECE);
  for (const [i, make] of data.entries()) {
    const all = options.zeros ? null : make();
    for (let at = 0; at < bytes[i]; at += PIECE) yield all ? all.subarray(at, at + PIECE) : zeros.subarray(0, Math.min(PIECE, bytes[i] - at));
  }
}

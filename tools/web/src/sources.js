/* sources.js: where the bytes of a model come from, seen by the worker as { name, size, from, chunks }: size is undefined where nobody says,
 * chunks is an async iterator over the file from its start. A download may go through the cache (store.js). */

import { TallyError } from './errors.js';
import { openStore } from './store.js';
import { blobSource, request, sizeOf, streamChunks } from './streams.js';

const SHARD = /-(\d{5})-of-(\d{5})\.gguf$/i;

/* Chunks that the page reads for us, one for each question. */
async function* askedChunks(call) {
  try {
    for (;;) {
      const chunk = await call.ask('pull');
      if (!chunk) return;
      yield chunk;
    }
  } finally {
    call.event('enough');
  }
}

/* A file's name for people to read: as it stands where its escapes are none. */
function nameOf(url) {
  const name = url.split(/[?#]/)[0].split('/').pop() || url;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

async function urlSource(host, call, options, url) {
  const name = nameOf(url);
  if (options.cache !== false && /^https?:/.test(url)) {
    const store = await openStore(host.storage, host.locks, (text) => call.warn(text));
    if (store) return store.source(url, name, options.headers ?? {}, call);
  }
  const response = await request(url, options.headers, call.signal);
  if (!response.body) throw new TallyError('network', `${url} answered without a body`);
  return { name, size: sizeOf(response), from: 'network', chunks: streamChunks(response.body, name, 'network') };
}

async function open(host, call, options) {
  const { source } = options;
  if (source.path !== undefined) return host.readPath(source.path);
  if (source.blob) return blobSource(source.blob, source.blob.name ?? 'the file', 'local');
  if (source.stream) return { name: 'the stream', size: source.size, from: 'local', chunks: askedChunks(call) };
  return urlSource(host, call, options, source.url);
}

export async function openSource(host, call, options) {
  const { source } = options;
  const shard = SHARD.exec((source.path ?? source.blob?.name ?? source.url ?? '').split(/[?#]/)[0]);
  if (shard && Number(shard[2]) > 1)
    throw new TallyError(
      'unsupported',
      `${shard.input.split('/').pop()} is part ${Number(shard[1])} of a model split into ${Number(shard[2])} files, expected one file: ` +
        'merge them with `llama-gguf-split --merge FIRST-PART MERGED.gguf` and load that',
    );
  const opened = await open(host, call, options);
  opened.hashed = Boolean(options.sha256);
  return opened;
}

/* say.mjs MODEL OPTIONS: loads a model under whatever flags Node was given, and prints as JSON what backend it got and what the model says. */

import { load } from '../src/node.js';

const model = await load(process.argv[2], JSON.parse(process.argv[3]));
const ids = [];
for await (const chunk of model.generate('hello', { temperature: 0, maxTokens: 12 })) ids.push(...chunk.ids);
console.log(JSON.stringify({ ids, backend: model.info.backend }));
await model.close();

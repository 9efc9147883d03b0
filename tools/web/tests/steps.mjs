/* steps.mjs: a model's own next tokens behind a text, for Node and pages alike. */

/* count ids and, for each, the probabilities of the three likeliest, which depend on every logit. An end token ends an answer; the next answer goes
 * on behind it. */
export async function greedySteps(model, text, count) {
  const ids = [];
  const probabilities = [];
  while (ids.length < count) {
    const prompt = text + (await model.detokenize(ids, { special: true }));
    for await (const chunk of model.generate(prompt, { temperature: 0, maxTokens: count - ids.length, top: 3, parseSpecial: true })) {
      ids.push(...chunk.ids);
      for (const { candidates } of chunk.top) probabilities.push(...candidates.map((c) => c.probability));
    }
  }
  return { ids, probabilities };
}

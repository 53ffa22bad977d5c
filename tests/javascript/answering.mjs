// What Node and the page do alike: load bundles with transformers.js and classify texts, one at a time.

import { cutAsTrained } from './cutting.mjs';

/**
 * @param {object} transformers The module `@huggingface/transformers`.
 * @param {string} device Where onnxruntime runs: "cpu" under Node, "wasm" in a page.
 * @param {{place: string, name: string, dtype: string, texts: string[]}[]} jobs Bundle `name` below `place`, its form.
 * @returns {Promise<{plain: object[], cut: object[]}[]>} Of each job and text the ids and every label's score: from
 *     the pipeline as it comes, and from one that cuts as trained.
 */
export async function answer(transformers, device, jobs) {
  transformers.env.allowLocalModels = true;
  transformers.env.allowRemoteModels = false;
  const answers = [];
  for (const { place, name, dtype, texts } of jobs) {
    transformers.env.localModelPath = place;
    const classifier = await transformers.pipeline('text-classification', name, { dtype, device });
    const plain = await classify(classifier, texts);
    answers.push({ plain, cut: await classify(cutAsTrained(classifier), texts) });
    await classifier.dispose();
  }
  return answers;
}

async function classify(classifier, texts) {
  const answers = [];
  for (const text of texts) {
    const { input_ids } = classifier.tokenizer(text, { truncation: true });
    const scores = await classifier(text, { top_k: null });
    answers.push({
      ids: Array.from(input_ids.data, Number),
      scores: Object.fromEntries(scores.map(({ label, score }) => [label, score])),
    });
  }
  return answers;
}

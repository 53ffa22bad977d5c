// transformers.js cuts a long text after adding the special tokens, so that it loses the one that closes it.

/**
 * Throws where transformers.js cannot answer as a bundle does: TF-IDF and cascades are no ONNX models, and of a long
 * text it reads the head only.
 *
 * @param {object} bundle The bundle's `bundle.json`, parsed.
 */
export function checkBundle({ name, runtime, long_texts: longTexts = 'head' }) {
  const instead = 'run it with slmbench.edge in Python, or export another run';
  if (runtime !== 'onnx') {
    const kind = runtime === 'tfidf' ? 'a TF-IDF bundle' : 'a cascade';
    throw new Error(`${name} is ${kind} and no ONNX model: ${instead}`);
  }
  if (longTexts !== 'head') {
    throw new Error(`${name} reads long texts by ${longTexts}, and transformers.js their head only: ${instead}`);
  }
}

/**
 * Makes a text-classification pipeline cut texts as the model was trained: the last token of a cut text closes it.
 *
 * @param {object} classifier What `pipeline('text-classification', ...)` returned.
 * @returns {object} The same pipeline.
 */
export function cutAsTrained(classifier) {
  const { tokenizer } = classifier;
  const closing = BigInt(tokenizer.encode('').at(-1));
  classifier.tokenizer = (texts, options) => {
    const inputs = tokenizer(texts, options);
    const { data, dims: [, length] } = inputs.input_ids;
    if (length === tokenizer.model_max_length) {
      for (let last = length - 1; last < data.length; last += length) {
        if (inputs.attention_mask.data[last]) data[last] = closing; // not where padding is
      }
    }
    return inputs;
  };
  return classifier;
}

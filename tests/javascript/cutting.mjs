// transformers.js cuts a long text after adding the special tokens, so that it loses the one that closes it.

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

"""A method of somebody else's package, which a test installs: every word votes for the labels that it occurs with."""

import json

import numpy as np
import onnx
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from slmbench.common.files import content_key
from slmbench.methods.method import Method
from slmbench.methods.options import Option
from slmbench.methods.outcome import Outcome, RunMethod

GRAPH = """<ir_version: 9, opset_import: ["": 17]> votes (int64[batch, n] input_ids) => (float[batch, k] logits)
{ votes = Gather(table, input_ids)  logits = ReduceSum<keepdims = 0>(votes, axes) }"""


class WordVotes(RunMethod):
    def __init__(self, model, corpus, options, progress):
        self.corpus, self.smoothing, identity = corpus, options.smoothing, corpus.identity()
        self.key = content_key(votes=options.smoothing, train=identity.train_hash, test=identity.test_hash)

    def run(self, building, folder, progress):
        train, labels = self.corpus.train, self.corpus.label_names
        words = ["[PAD]", "[UNK]", *sorted({word for text in train.texts for word in text.split()})]
        tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        table = np.full((len(words), len(labels)), self.smoothing, np.float32)
        for text, label in zip(train.texts, train.labels, strict=True):
            np.add.at(table[:, label], tokenizer.encode(text).ids, 1)
        table = np.log(table / table.sum(1, keepdims=True))
        table[:2] = 0  # padding and unknown words have no vote

        graph = onnx.parser.parse_model(GRAPH)
        graph.graph.initializer.append(onnx.numpy_helper.from_array(table, "table"))
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axes"))
        (building / "model/onnx").mkdir(parents=True)
        onnx.save(graph, building / "model/onnx/model.onnx")
        config = {"model_type": "votes", "id2label": dict(enumerate(labels))}
        (building / "model/config.json").write_text(json.dumps(config))
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
        fast.save_pretrained(building / "model")
        logits = np.stack([table[tokenizer.encode(text).ids].sum(0) for text in self.corpus.test.texts])
        return Outcome(logits=logits, trainable_parameters=table.size, total_parameters=table.size)


SMOOTHING = Option("smoothing", float, "Added to every count", 1.0, above=0)
VOTES = Method("votes", "Words vote", "finetune", WordVotes, (SMOOTHING,), takes_model=False)

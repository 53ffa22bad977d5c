"""The torch-free runtime: load a bundle, classify text. Needs numpy, onnxruntime and tokenizers, nothing else.

But for ``tuned=True``, which asks the rest of the base install which machine this is.
"""

from slmbench.edge.runtime import Classifier, Prediction, batches_by_tokens

__all__ = ["Classifier", "Prediction", "batches_by_tokens"]

"""The torch-free runtime: load a bundle, classify text. It needs numpy, onnxruntime and tokenizers, nothing else."""

from slmbench.edge.runtime import Classifier, Prediction, batches_by_tokens

__all__ = ["Classifier", "Prediction", "batches_by_tokens"]

"""From a run to a bundle: ONNX, quantized forms, parity on real reviews, the Hugging Face-shaped folder."""

from slmbench.export.bundling import FORMS, export

__all__ = ["FORMS", "export"]

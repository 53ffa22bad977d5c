"""From a run to a bundle: ONNX, quantized forms, parity on real reviews, the Hugging Face-shaped folder."""

from slmbench.export.bundling import export
from slmbench.export.catalogue import CALIBRATIONS, DEFAULT_FORMS, FORM_PLANS, Calibration

__all__ = ["CALIBRATIONS", "DEFAULT_FORMS", "FORM_PLANS", "Calibration", "export"]

"""Which forms there are: their files, what each is made from, what it is in one phrase."""

from __future__ import annotations

from dataclasses import dataclass

#: The form every other one is judged against.
REFERENCE = "fp32"


@dataclass(frozen=True)
class FormPlan:
    """A form that can be asked for.

    Attributes:
        file: Path below the bundle's folder; transformers.js, Optimum and plain onnxruntime look for some of them by
            name.
        phrase: What it is.
        fused: Whether it is made from the fused graph.
        quantized: Whether products are quantized, so that some of them can be kept in float.
        calibrated: Whether it is made with training reviews.
        has_isa: Whether it is made for an instruction set.
    """

    file: str
    phrase: str
    fused: bool = False
    quantized: bool = True
    calibrated: bool = False
    has_isa: bool = True


FORM_PLANS: dict[str, FormPlan] = {
    "fp32": FormPlan("onnx/model.onnx", "as trained", quantized=False, has_isa=False),
    "fused": FormPlan(
        "onnx/model_fused.onnx",
        "fp32, attention, layer norms and GELU merged ahead of time",
        fused=True,
        quantized=False,
        has_isa=False,
    ),
    "fp16": FormPlan("onnx/model_fp16.onnx", "half precision, for GPUs", fused=False, quantized=False, has_isa=False),
    "int8": FormPlan("onnx/model_quantized.onnx", "dynamic int8, weights per channel"),
    "int8-fused": FormPlan("onnx/model_fused_int8.onnx", "dynamic int8 of the fused graph", fused=True),
    "int8-static": FormPlan(
        "onnx/model_static_int8.onnx", "static int8 (QDQ), ranges from training reviews", calibrated=True
    ),
    "int8-weights": FormPlan(
        "onnx/model_q8.onnx", "weights and embeddings in int8 blocks, arithmetic in float", has_isa=False
    ),
    "int4-weights": FormPlan(
        "onnx/model_q4.onnx", "weights and embeddings in int4 blocks, arithmetic in float", has_isa=False
    ),
}
#: Made when nothing is asked for: what is worth trying on every CPU.
DEFAULT_FORMS = ("fp32", "int8")
CALIBRATIONS = ("minmax", "entropy", "percentile")


@dataclass(frozen=True)
class Calibration:
    """How the ranges of static int8 are found.

    Attributes:
        method: ``minmax``, ``entropy`` (least Kullback-Leibler divergence) or ``percentile``.
        reviews: Training reviews that are run, each at its own length.
    """

    method: str = "minmax"
    reviews: int = 128


DEFAULT_CALIBRATION = Calibration()

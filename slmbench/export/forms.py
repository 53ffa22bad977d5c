"""The forms that a bundle can hold: each is declared once, with its file, its maker and what it needs.

Help texts, recipe checks, model cards and the table of ``docs/export.md`` derive from the declarations. A package
adds its own form through an entry point of the group ``slmbench.forms``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from slmbench.common.registry import Registry

if TYPE_CHECKING:
    from slmbench.export.builder import FormBuilder

#: Writes a form's file. It is given the builder, the file to write and the names of nodes that are not to be
#: quantized, and returns how the file was made, as JSON-able values for the record.
FormMaker = Callable[["FormBuilder", "Path", Sequence[str]], dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """A form: one ONNX file of a classifier.

    Attributes:
        name: What commands, recipes and records call it.
        file: Path below the bundle's folder; transformers.js, Optimum and plain onnxruntime look for some by name.
        help: What it is, in one line.
        make: Writes the file.
        made_by: The library that writes it.
        source: The graph it is made from: as exported, or with fused operators.
        quantized: Whether products are quantized, so that some can be kept in float when accuracy suffers.
        calibrated: Whether it is made with training reviews.
        for_isa: Whether it is made for an instruction set, which the record then names.
        needs: A module that the maker imports, and the extra of slmbench that installs it.
    """

    name: str
    file: str
    help: str
    make: FormMaker
    made_by: str = ""
    source: Literal["fp32", "fused"] = "fp32"
    quantized: bool = False
    calibrated: bool = False
    for_isa: bool = False
    needs: tuple[str, str] = ("optimum", "train")


#: The form that all others are compared with.
REFERENCE = "fp32"
#: Made when nothing is asked for: what is worth trying on every CPU.
DEFAULT_FORMS = (REFERENCE, "int8")
BUILTIN_FORMS = (
    Form(
        REFERENCE,
        "onnx/model.onnx",
        "as trained",
        lambda builder, target, _: builder.export(target),
        made_by="Optimum",
    ),
    Form(
        "fused",
        "onnx/model_fused.onnx",
        "fp32 with attention, layer norms, GELU and embeddings merged ahead of time",
        lambda builder, target, _: builder.copy_fused(target),
        made_by="onnxruntime.transformers",
        source="fused",
    ),
    Form(
        "fp16",
        "onnx/model_fp16.onnx",
        "half precision for GPUs, inputs and logits in fp32; CPUs compute it in fp32",
        lambda builder, target, _: builder.to_half(target),
        made_by="onnxruntime.transformers",
    ),
    Form(
        "int8",
        "onnx/model_quantized.onnx",
        "dynamic int8: weights per channel, activations quantized at run time",
        lambda builder, target, keep: builder.to_dynamic_int8(target, keep),
        made_by="Optimum",
        quantized=True,
        for_isa=True,
    ),
    Form(
        "int8-portable",
        "onnx/model_int8.onnx",
        "dynamic int8 with 7-bit weights, whose sums no processor saturates: the same answers with and without VNNI",
        # Signed weights in a reduced range: Optimum's preset for AVX-512 without VNNI.
        lambda builder, target, keep: builder.to_dynamic_int8(target, keep, preset="avx512"),
        made_by="Optimum",
        quantized=True,
    ),
    Form(
        "int8-int4",
        "onnx/model_int8_int4.onnx",
        "dynamic int8, and embeddings in int4 blocks of 32: smaller where most of a model is its embeddings",
        lambda builder, target, keep: builder.to_int8_with_small_tables(target, keep),
        made_by="Optimum and onnxruntime.quantization",
        quantized=True,
        for_isa=True,
        needs=("onnx_ir", "train"),
    ),
    Form(
        "int8-fused",
        "onnx/model_fused_int8.onnx",
        "dynamic int8 of the fused graph",
        lambda builder, target, keep: builder.to_dynamic_int8(target, keep, fused=True),
        made_by="onnxruntime.quantization",
        source="fused",
        quantized=True,
        for_isa=True,
    ),
    Form(
        "int8-static",
        "onnx/model_static_int8.onnx",
        "static int8 (QDQ): ranges of activations from training reviews (`--calibration`)",
        lambda builder, target, keep: builder.to_static_int8(target, keep),
        made_by="Optimum",
        quantized=True,
        calibrated=True,
        for_isa=True,
    ),
    Form(
        "int8-weights",
        "onnx/model_q8.onnx",
        "weights in int8 blocks of 32 and embeddings in int8, arithmetic in float",
        lambda builder, target, keep: builder.to_blocks(target, keep, bits=8),
        made_by="onnxruntime.quantization",
        quantized=True,
        needs=("onnx_ir", "train"),
    ),
    Form(
        "int4-weights",
        "onnx/model_q4.onnx",
        "weights and embeddings in int4 blocks of 32, arithmetic in float",
        lambda builder, target, keep: builder.to_blocks(target, keep, bits=4),
        made_by="onnxruntime.quantization",
        quantized=True,
        needs=("onnx_ir", "train"),
    ),
)
FORMS = Registry("form", "slmbench.forms", BUILTIN_FORMS)

#: Largest accepted loss of accuracy against fp32, as a fraction: ``FORM_MARGIN`` of ``slmbench.statistics.verdicts``,
#: not imported so that help is instant.
DEFAULT_MAX_ACCURACY_DROP = 0.01
#: Ways to find the activation ranges of static int8.
CalibrationMethod = Literal["minmax", "entropy", "percentile"]
CALIBRATIONS: tuple[CalibrationMethod, ...] = get_args(CalibrationMethod)


@dataclass(frozen=True)
class Calibration:
    """How the activation ranges of static int8 are found.

    Attributes:
        method: ``minmax``, ``entropy`` (minimum Kullback-Leibler divergence) or ``percentile`` (99.99 %).
        reviews: Reviews that are run, each at its own length.
        corpus: Where they come from, a corpus that needs no labels; the training reviews when not given.
    """

    method: CalibrationMethod = "minmax"
    reviews: int = 128
    corpus: str | None = None


DEFAULT_CALIBRATION = Calibration()

"""Making the file of each form from fp32: int8 through Optimum; fusion, fp16 and weight-only blocks below it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.export.catalogue import FORM_PLANS
from slmbench.export.exporter import calibrate, quantize_dynamic, quantize_embeddings, quantize_static
from slmbench.export.graph import unweighted_nodes
from slmbench.models.quiet import quiet_libraries

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from slmbench.export.catalogue import Calibration

#: Weights that share a scale in weight-only forms: small enough for int4 to keep its accuracy, 1/16 of its size.
BLOCK = 32
#: Of MatMulNBits: products of int8 activations and weights, which is what CPUs have instructions for.
_INT8_ARITHMETIC = 4


@dataclass(frozen=True)
class Workshop:
    """What forms are made from.

    Attributes:
        fp32: The exported graph.
        fused: The fused graph, where a form wants it.
        preset: Instruction set of int8 forms.
        calibration: How static ranges are found.
        feeds: Model inputs of the calibration reviews, one review each.
    """

    fp32: Path
    fused: Path | None
    preset: str
    calibration: Calibration
    feeds: Sequence[dict[str, np.ndarray]]

    @cached_property
    def _ranges(self) -> Any:
        """Ranges of activations: the same whichever products are kept in float."""
        return calibrate(self.fp32, self.calibration.method, self.feeds)

    def source(self, form: str) -> Path:
        """Return the graph a form is made from."""
        return self.fused if FORM_PLANS[form].fused and self.fused is not None else self.fp32

    def make(self, form: str, target: Path, keep_float: Sequence[str] = ()) -> dict[str, Any]:
        """Write a form's file.

        Args:
            form: Any but ``fp32`` and ``fused``.
            target: The file to write.
            keep_float: Names of nodes that are not to be quantized.

        Returns:
            How it was made, for the record.

        Raises:
            SlmbenchError: The graph cannot be turned into this form.
        """
        source = self.source(form)
        left = [*keep_float, *unweighted_nodes(source)]
        try:
            match form:
                case "fp16":
                    return _to_half(source, target)
                case "int8" | "int8-fused":
                    quantize_dynamic(source, target, self.preset, left, fused=FORM_PLANS[form].fused)
                    return {"preset": self.preset, "per_channel": True}
                case "int8-static":
                    quantize_static(source, target, self.preset, left, self._ranges)
                    return {
                        "preset": self.preset,
                        "per_channel": True,
                        "calibration": self.calibration.method,
                        "calibration_reviews": len(self.feeds),
                    }
                case _:
                    bits = 4 if form == "int4-weights" else 8
                    return _to_blocks(source, target, bits, left)
        except (ValueError, KeyError, RuntimeError, IndexError, NotImplementedError, AttributeError) as error:
            raise SlmbenchError(f"onnxruntime cannot make {form} of this graph: {first_line(error)}") from None


def fuse(source: Path, target: Path) -> None:
    """Merge attention, layer norms and GELU into onnxruntime's own operators ahead of time.

    Args:
        source: The exported graph.
        target: The file to write.
    """
    from onnxruntime.transformers.optimizer import optimize_model

    with quiet_libraries():
        # opt_level 0: onnxruntime's own rewriting is for the machine it runs on and happens when a file is loaded.
        model = optimize_model(str(source), model_type="bert", opt_level=0)
        model.save_model_to_file(str(target))


def _to_half(source: Path, target: Path) -> dict[str, Any]:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with quiet_libraries():
        # Inputs and logits stay as they are, so that callers see no difference.
        onnx.save(convert_float_to_float16(onnx.load(str(source)), keep_io_types=True), str(target))
    return {"inputs_and_outputs": "fp32"}


def _to_blocks(source: Path, target: Path, bits: int, left: Sequence[str]) -> dict[str, Any]:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    settings: dict[str, Any] = {
        "block_size": BLOCK,
        "is_symmetric": True,
        "accuracy_level": _INT8_ARITHMETIC,
        # The block quantizer knows embeddings in four bits only.
        "op_types_to_quantize": ("MatMul", "Gather") if bits == 4 else ("MatMul",),
        "quant_axes": (("MatMul", 0), ("Gather", 1)),
    }
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        if bits == 8:
            source, table = Path(folder) / "embeddings.onnx", source
            quantize_embeddings(table, source, left)
        quantizer = MatMulNBitsQuantizer(
            onnx.load(str(source)),
            nodes_to_exclude=list(left),
            algo_config=DefaultWeightOnlyQuantConfig(bits=bits, **settings),
            **settings,
        )
        quantizer.process()
        quantizer.model.save_model_to_file(str(target))
    return {"bits": bits, "block": BLOCK}

"""Making the file of each form: int8 through Optimum; fusion, fp16 and weight-only blocks through onnxruntime."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.files import scratch_folder
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.exporter import calibrate, export_onnx, quantize_dynamic, quantize_embeddings, quantize_static
from slmbench.export.repeated_rows import store_rows_once
from slmbench.models.quiet import quiet_libraries

#: Weights that share a scale in weight-only forms: small enough for int4 to keep its accuracy, 1/16 of its size.
BLOCK = 32
#: MatMulNBits computes products of int8 activations and weights, which is what CPUs have instructions for.
_INT8_ARITHMETIC = 4


@dataclass(frozen=True)
class FormBuilder:
    """What forms are made from, and the steps that make them.

    Each ``to_…`` method writes one file and returns how it was made, for the record.

    Attributes:
        model: The trained model's Hugging Face folder.
        folder: The bundle's folder, which holds the tokenizer.
        fp32: The exported graph; it is there for every form but fp32 itself.
        texts: Training reviews for calibration.
        calibration: How activation ranges are found: ``minmax``, ``entropy`` or ``percentile``.
        preset: Instruction set of int8 forms; see :func:`slmbench.instruments.hardware.quantization_preset`.
    """

    model: Path
    folder: Path
    fp32: Path
    texts: Sequence[str]
    calibration: str
    preset: str

    def export(self, target: Path) -> dict[str, Any]:
        """Export the trained model; one that a method has written as ONNX is copied.

        Raises:
            SlmbenchError: The weights cannot be read, or Optimum cannot export this architecture.
        """
        written = self.model / "onnx" / "model.onnx"
        if written.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(written, target)
        else:
            export_onnx(self.model, target)
            store_rows_once(target)
        return {}

    @cached_property
    def fused(self) -> Path:
        """The exported graph with attention, layer norms and GELU merged; a scratch file, made when first needed."""
        from onnxruntime.transformers.optimizer import optimize_model

        target = self.folder / "scratch_fused.onnx"
        with quiet_libraries():
            # opt_level 0: what onnxruntime itself rewrites is for one machine and happens when a file is loaded.
            optimize_model(str(self.fp32), model_type="bert", opt_level=0).save_model_to_file(str(target))
        return target

    @cached_property
    def feeds(self) -> list[dict[str, np.ndarray]]:
        """Model inputs of the calibration reviews, one input each."""
        backend = OnnxBackend(self.folder, self.fp32, None)
        return [backend.feed([part]) for part in backend.parts(backend.encode(self.texts))]

    @cached_property
    def _ranges(self) -> Any:
        """Ranges of activations: the same whichever products are kept in float."""
        return calibrate(self.fp32, self.calibration, self.feeds)

    def copy_fused(self, target: Path) -> dict[str, Any]:
        """Write the fused graph."""
        shutil.copy(self.fused, target)
        return {}

    def to_half(self, target: Path) -> dict[str, Any]:
        """Write half precision; inputs and logits stay in fp32, so that callers see no difference."""
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        with quiet_libraries():
            onnx.save(convert_float_to_float16(onnx.load(str(self.fp32)), keep_io_types=True), str(target))
        return {"inputs_and_outputs": "fp32"}

    def to_dynamic_int8(
        self, target: Path, keep_float: Sequence[str], *, fused: bool = False, preset: str | None = None
    ) -> dict[str, Any]:
        """Write dynamic int8.

        Args:
            target: The file to write.
            keep_float: Names of nodes that are not quantized.
            fused: Start from the fused graph.
            preset: Instruction set; that of this machine when not given.
        """
        preset = preset or self.preset
        quantize_dynamic(self.fused if fused else self.fp32, target, preset, keep_float, fused=fused)
        return {"preset": preset, "per_channel": True}

    def to_int8_with_small_tables(self, target: Path, keep_float: Sequence[str]) -> dict[str, Any]:
        """Write dynamic int8 whose embedding tables are in four-bit blocks, which half of a small model's size are.

        Args:
            target: The file to write.
            keep_float: Names of nodes that are not quantized.
        """
        tables = [name for name in _table_lookups(self.fp32) if name not in keep_float]
        with scratch_folder(self.folder) as scratch, quiet_libraries():
            products = scratch / "products.onnx"
            quantize_dynamic(self.fp32, products, self.preset, [*keep_float, *tables])
            _quantize_blocks(products, target, keep_float, bits=4, operators=("Gather",))
        return {"preset": self.preset, "per_channel": True, "embedding_bits": 4, "block": BLOCK}

    def to_static_int8(self, target: Path, keep_float: Sequence[str]) -> dict[str, Any]:
        """Write static int8 with ranges from the calibration reviews.

        Args:
            target: The file to write.
            keep_float: Names of nodes that are not quantized.
        """
        quantize_static(self.fp32, target, self.preset, keep_float, self._ranges)
        return {
            "preset": self.preset,
            "per_channel": True,
            "calibration": self.calibration,
            "calibration_reviews": len(self.feeds),
        }

    def to_blocks(self, target: Path, keep_float: Sequence[str], *, bits: int) -> dict[str, Any]:
        """Write weights in blocks that share a scale.

        Args:
            target: The file to write.
            keep_float: Names of nodes that are not quantized.
            bits: Bits of a weight, 4 or 8.
        """
        # The block quantizer knows embeddings in four bits only.
        operators = ("MatMul", "Gather") if bits == 4 else ("MatMul",)
        with scratch_folder(self.folder) as scratch, quiet_libraries():
            source = self.fp32
            if bits == 8:
                source = scratch / "embeddings.onnx"
                quantize_embeddings(self.fp32, source, keep_float)
            _quantize_blocks(source, target, keep_float, bits=bits, operators=operators)
        return {"bits": bits, "block": BLOCK}

    def remove_scratch_files(self) -> None:
        """Remove what was written beside the forms."""
        (self.folder / "scratch_fused.onnx").unlink(missing_ok=True)


def _quantize_blocks(
    source: Path, target: Path, keep_float: Sequence[str], *, bits: int, operators: tuple[str, ...]
) -> None:
    """Quantize the weights of some operators in blocks; see :meth:`FormBuilder.to_blocks`."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    settings: dict[str, Any] = {
        "block_size": BLOCK,
        "is_symmetric": True,
        "accuracy_level": _INT8_ARITHMETIC,
        "op_types_to_quantize": operators,
        "quant_axes": (("MatMul", 0), ("Gather", 1)),
    }
    quantizer = MatMulNBitsQuantizer(
        onnx.load(str(source)),
        nodes_to_exclude=list(keep_float),
        algo_config=DefaultWeightOnlyQuantConfig(bits=bits, **settings),
        **settings,
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def _table_lookups(model: Path) -> list[str]:
    """Return the names of the nodes of an ONNX file that look rows up in a table of weights."""
    import onnx

    graph = onnx.load(str(model)).graph
    tables = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT and len(one.dims) == 2}
    return [node.name for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]

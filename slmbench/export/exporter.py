"""The seam to Optimum: the one module that imports it, so that the day it moves, one file changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.common.files import scratch_folder
from slmbench.common.full_disk import check_space
from slmbench.models import ModelFiles, load_classifier
from slmbench.models.configuration import HEAD_KEY, read_config
from slmbench.models.quiet import quiet_libraries

#: Optimum's name for sequence classification.
_TASK = "text-classification"
#: Operators with weights; static ranges elsewhere bring nothing.
_STATIC_OPERATORS = ["MatMul", "Gather"]
#: Space that quantizing takes, as a multiple of the model's: two copies, their inferred shapes, and the result.
_COPIES = 2.5


def export_onnx(model_folder: Path, target: Path) -> None:
    """Export a saved sequence classifier to one fp32 ONNX file with dynamic batch and length.

    Args:
        model_folder: Hugging Face folder with configuration, weights and tokenizer.
        target: The file to write.

    Raises:
        SlmbenchError: The weights cannot be read, or Optimum cannot export this architecture.
    """
    from safetensors import SafetensorError

    files = ModelFiles(str(model_folder), model_folder, "directory")
    config = read_config(files)
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target.parent) as folder, quiet_libraries():
        written = folder / "model.onnx"
        try:
            if hasattr(config, HEAD_KEY):
                _export_headed(files, config, written)
            else:
                _export_folder(model_folder, config, written)
        except (OSError, SafetensorError) as error:
            raise SlmbenchError(
                f"the weights in {model_folder} cannot be read ({first_line(error)}): train the run again"
            ) from None
        except (ValueError, KeyError, RuntimeError, NotImplementedError, AttributeError) as error:
            raise SlmbenchError(
                f"Optimum cannot export architecture '{config.model_type}' to ONNX: {first_line(error)}"
            ) from None
        written.replace(target)


def _export_folder(model_folder: Path, config: Any, target: Path) -> None:
    """Export what transformers can load by itself."""
    from optimum.exporters.onnx import main_export

    main_export(
        str(model_folder),
        output=target.parent,
        task=_TASK,
        # Checked on real reviews instead (slmbench.export.parity).
        do_validation=False,
        custom_onnx_configs=_custom_configurations(config),
        local_files_only=True,
    )


def _export_headed(files: ModelFiles, config: Any, target: Path) -> None:
    """Export an encoder with a head of ``slmbench.models.headed``: the encoder's inputs, one output ``logits``."""
    from optimum.exporters.onnx import export
    from optimum.exporters.tasks import TasksManager

    model = load_classifier(files, list(config.id2label.values()))
    own = _custom_configurations(config)
    onnx_config = (
        own["model"]
        if own
        else TasksManager.get_exporter_config_constructor(
            "onnx", model_type=config.model_type, task=_TASK, library_name="transformers"
        )(config)
    )
    export(model, onnx_config, target)


def quantize_dynamic(
    model: Path, target: Path, preset: str, keep_float: Sequence[str] = (), *, fused: bool = False
) -> None:
    """Quantize an ONNX file to dynamic int8, weights per channel.

    Per channel, because with one scale per matrix its largest rows would coarsen all others.

    Args:
        model: The fp32 file.
        target: The file to write.
        preset: ``avx2``, ``avx512``, ``avx512_vnni`` or ``arm64``: names of Optimum's presets.
        keep_float: Names of nodes that stay as they are.
        fused: Whether the graph holds onnxruntime's own operators.

    Raises:
        SlmbenchError: onnxruntime cannot quantize the graph.
    """
    configuration = _preset(preset, is_static=False, per_channel=True, nodes_to_exclude=list(keep_float))
    if fused:
        _quantize_fused(model, target, configuration)
    else:
        _quantize(model, target, configuration)


def quantize_embeddings(model: Path, target: Path, keep_float: Sequence[str]) -> None:
    """Turn embedding tables into int8 and leave products as they are.

    Args:
        model: The fp32 file.
        target: The file to write.
        keep_float: Names of nodes that stay as they are.

    Raises:
        SlmbenchError: onnxruntime cannot quantize the graph.
    """
    configuration = _preset(
        "avx512_vnni", is_static=False, operators_to_quantize=["Gather"], nodes_to_exclude=list(keep_float)
    )
    _quantize(model, target, configuration)


def calibrate(model: Path, method: str, feeds: Sequence[dict[str, np.ndarray]]) -> Any:
    """Find the ranges of activations that static quantization needs.

    Args:
        model: The fp32 file.
        method: ``minmax``, ``entropy`` or ``percentile`` (99.99 %).
        feeds: Inputs that give the ranges, one review each: histograms of unlike lengths cannot be stacked, and
            padding would be counted as if it were text.

    Returns:
        Ranges by tensor, for :func:`quantize_static`.
    """
    from onnxruntime.quantization import CalibrationMethod
    from optimum.onnxruntime.configuration import CalibrationConfig

    choices: dict[str, tuple[Any, dict[str, Any]]] = {
        "minmax": (CalibrationMethod.MinMax, {"moving_average": False, "averaging_constant": 0.01}),
        "entropy": (CalibrationMethod.Entropy, {"num_bins": 128, "num_quantized_bins": 128}),
        "percentile": (CalibrationMethod.Percentile, {"num_bins": 2048, "percentile": 99.99}),
    }
    kind, settings = choices[method]
    calibration = CalibrationConfig(
        dataset_name="training reviews",
        dataset_config_name="",
        dataset_split="train",
        dataset_num_samples=len(feeds),
        method=kind,
        **settings,
    )
    with scratch_folder(model.parent) as folder, quiet_libraries(), redirect_stdout(StringIO()):
        calibrator = calibration.create_calibrator(
            onnx_model_path=str(model),
            operators_to_quantize=_STATIC_OPERATORS,
            augmented_model_name=str(folder / "augmented.onnx"),
        )
        for feed in feeds:
            calibrator.collect_data(_One(feed))
        return calibrator.compute_data()


def quantize_static(model: Path, target: Path, preset: str, keep_float: Sequence[str], ranges: Any) -> None:
    """Quantize an ONNX file to static int8: QuantizeLinear and DequantizeLinear pairs with ranges of activations.

    Args:
        model: The fp32 file.
        target: The file to write.
        preset: As for :func:`quantize_dynamic`.
        keep_float: Names of nodes that stay as they are.
        ranges: From :func:`calibrate`.

    Raises:
        SlmbenchError: onnxruntime cannot quantize the graph.
    """
    configuration = _preset(
        preset,
        is_static=True,
        per_channel=True,
        nodes_to_exclude=list(keep_float),
        operators_to_quantize=_STATIC_OPERATORS,
    )
    _quantize(model, target, configuration, ranges)


class _One:
    """A calibration reader of one review."""

    def __init__(self, feed: dict[str, np.ndarray]) -> None:
        self._feed: dict[str, np.ndarray] | None = feed

    def get_next(self) -> dict[str, np.ndarray] | None:
        feed, self._feed = self._feed, None
        return feed


def _preset(name: str, **settings: Any) -> Any:
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    # onnxruntime makes a MatMul of a Gemm before it looks for names that are left out.
    kept = settings.pop("nodes_to_exclude", [])
    settings["nodes_to_exclude"] = [*kept, *(f"{node}_MatMul" for node in kept)]
    configuration = getattr(AutoQuantizationConfig, name)(**settings)
    # Without VNNI the 16-bit accumulation of two products saturates; 7-bit weights cannot.
    configuration.reduce_range = name in ("avx2", "avx512")
    return configuration


def _quantize(model: Path, target: Path, configuration: Any, ranges: Any = None) -> None:
    from optimum.onnxruntime import ORTQuantizer

    _check_space(model, target)
    with scratch_folder(target.parent) as folder, quiet_libraries():
        try:
            ORTQuantizer(model).quantize(
                save_dir=folder,
                quantization_config=configuration,
                calibration_tensors_range=ranges,
                file_suffix="int8",
            )
        except (ValueError, KeyError, RuntimeError, IndexError) as error:
            raise SlmbenchError(f"onnxruntime cannot quantize {model.name}: {error}") from None
        (written,) = folder.glob("*_int8.onnx")
        written.replace(target)


def _quantize_fused(model: Path, target: Path, configuration: Any) -> None:
    """Quantize what Optimum cannot: types of what onnxruntime's own operators give have to be told."""
    import onnx
    from onnxruntime.quantization import quantize_dynamic as quantize

    _check_space(model, target)
    with scratch_folder(target.parent), quiet_libraries():
        try:
            quantize(
                model,
                target,
                op_types_to_quantize=["MatMul", "Attention", "Gather", "EmbedLayerNormalization"],
                per_channel=configuration.per_channel,
                reduce_range=configuration.reduce_range,
                weight_type=configuration.weights_dtype,
                nodes_to_exclude=configuration.nodes_to_exclude,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
            )
        except (ValueError, KeyError, RuntimeError, IndexError) as error:
            raise SlmbenchError(f"onnxruntime cannot quantize {model.name}: {error}") from None


def _check_space(model: Path, target: Path) -> None:
    """Check the space for onnxruntime's copies: where there is none it cuts them off and reads them again."""
    check_space(target.parent, _COPIES * model.stat().st_size, "the copies that quantizing makes")


def _custom_configurations(config: Any) -> dict[str, Any] | None:
    """Return Optimum's export configuration for an architecture it has none for: XLNet."""
    if config.model_type != "xlnet":
        return None
    from optimum.exporters.onnx.config import TextEncoderOnnxConfig
    from optimum.utils.normalized_config import NormalizedTextConfig

    class XLNetOnnxConfig(TextEncoderOnnxConfig):
        """Inputs of XLNet: like BERT's, in its own names for the sizes."""

        NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
            hidden_size="d_model", num_attention_heads="n_head", num_layers="n_layer"
        )

        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            axes = {0: "batch_size", 1: "sequence_length"}
            return {"input_ids": axes, "attention_mask": axes, "token_type_ids": axes}

        @property
        def outputs(self) -> dict[str, dict[int, str]]:
            # Its memory outputs (mems) are of no use to a classifier.
            return {"logits": {0: "batch_size"}}

    return {"model": XLNetOnnxConfig(config, task=_TASK)}

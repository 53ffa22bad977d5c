"""The seam to Optimum: the one module that imports it, so that the day it moves, one file changes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from slmbench.errors import SlmbenchError
from slmbench.models import ModelFiles, load_classifier
from slmbench.models.loading import HEAD_KEY, read_config
from slmbench.models.quiet import quiet_libraries

#: Optimum's name for sequence classification.
_TASK = "text-classification"


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
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        written = Path(folder) / "model.onnx"
        try:
            if hasattr(config, HEAD_KEY):
                _export_headed(files, config, written)
            else:
                _export_folder(model_folder, config, written)
        except (OSError, SafetensorError) as error:
            raise SlmbenchError(
                f"the weights in {model_folder} cannot be read ({str(error).splitlines()[0]}): train the run again"
            ) from None
        except (ValueError, KeyError, RuntimeError, NotImplementedError, AttributeError) as error:
            reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            raise SlmbenchError(
                f"Optimum cannot export architecture '{config.model_type}' to ONNX: {reason}"
            ) from None
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(written, target)


def _export_folder(model_folder: Path, config: Any, target: Path) -> None:
    """Export what transformers can load by itself."""
    from optimum.exporters.onnx import main_export

    main_export(
        str(model_folder),
        output=target.parent,
        task=_TASK,
        # Judged on real reviews instead (slmbench.export.parity).
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


def quantize_dynamic(model: Path, target: Path, preset: str) -> None:
    """Quantize an ONNX file to dynamic int8, weights per channel.

    Per channel: one scale for a whole weight matrix lets its largest rows coarsen all others.

    Args:
        model: The fp32 file.
        target: The file to write.
        preset: ``avx2``, ``avx512``, ``avx512_vnni`` or ``arm64``: names of Optimum's presets.

    Raises:
        SlmbenchError: onnxruntime cannot quantize the graph.
    """
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    settings: dict[str, Any] = {"is_static": False, "per_channel": True}
    if preset in ("avx2", "avx512"):
        # Without VNNI the 16-bit accumulation of two products saturates; 7-bit weights cannot.
        settings["reduce_range"] = True
    configuration = getattr(AutoQuantizationConfig, preset)(**settings)
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        try:
            ORTQuantizer(model).quantize(save_dir=folder, quantization_config=configuration, file_suffix="int8")
        except (ValueError, KeyError, RuntimeError, IndexError) as error:
            raise SlmbenchError(f"onnxruntime cannot quantize {model.name}: {error}") from None
        (written,) = Path(folder).glob("*_int8.onnx")
        shutil.move(written, target)


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

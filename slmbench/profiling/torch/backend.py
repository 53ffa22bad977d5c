"""A run's torch model behind the protocol of ``slmbench.edge.runtime.Backend``: text to ids, ids to logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import UsageError, require_extra
from slmbench.edge import Classifier
from slmbench.edge.runtime import mean_by_text, numpy_runtime
from slmbench.profiling.torch.forward import GRAPH_TOKENS, check_forward, parse_form, prepare_forward
from slmbench.records import RunRecord, artefacts

#: Compiled models take longer for each new shape. With CUDA graphs torch runs a shape as it is when it first comes,
#: captures its graph when it comes again, and replays it from the third time on.
WARM_UP_PASSES = {"eager": 0, "compile": 1, "graphs": 2}


class TorchBackend:
    """A run's classifier as torch runs it.

    Args:
        run: The run's folder.
        device: ``cpu`` or ``cuda``.
        precision: ``fp32``, ``bf16``, or on CUDA ``fp16``.
        mode: ``eager``, ``compile``, or on CUDA ``graphs``.
        threads: Threads of the CPU; ``None`` leaves it to torch. It holds for the whole process.

    Attributes:
        labels: Label names, in the order of the logits.

    Raises:
        UsageError: There is no such run, it has no torch model, or the device has no such precision or mode.
        SlmbenchError: Torch or the device is not available, or the model's files are missing or damaged.
    """

    def __init__(
        self,
        run: Path,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        mode: str = "eager",
        threads: int | None = None,
    ) -> None:
        record = artefacts.read(run, RunRecord)
        if not record.has_model or numpy_runtime(run / "model"):
            raise UsageError(f"{run} has no torch model ({record.method}): measure its bundle instead")
        require_extra("torch", "train", "running a run in torch")
        import torch

        from slmbench.methods.training.inference import load_run
        from slmbench.models.long_texts import long_texts_of
        from slmbench.models.quiet import quiet_libraries

        check_forward(device, precision, mode)
        if threads is not None:
            torch.set_num_threads(threads)
        self.labels: list[str] = record.predictions.labels
        self._device = device
        self._multiple = GRAPH_TOKENS if mode == "graphs" else None
        with quiet_libraries():
            model, self._tokenizer, self._limit = load_run(run, record)
            self._long_texts = long_texts_of(model.config)
            self._forward = prepare_forward(model, device, precision, mode)

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise; each item is a list of the model's inputs for one text, read as in training."""
        from slmbench.models.long_texts import encode_texts

        encoded = encode_texts(self._tokenizer, texts, self._limit, self._long_texts)
        items: list[list[dict[str, list[int]]]] = [[] for _ in texts]
        for row, text in enumerate(encoded.texts):
            items[text].append({name: column[row] for name, column in encoded.columns.items()})
        return list(items)

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each item, over all its inputs."""
        return [sum(len(part["input_ids"]) for part in item) for item in items]  # type: ignore[attr-defined, misc]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch, padded to its longest item; returns single-precision logits, shape (items, labels).

        They are copied to the CPU, which waits for the device: the caller's clock includes all of the work.
        """
        answers = self._forward(self.batch(items)).float().cpu().numpy()
        import numpy as np

        counts = [len(item) for item in items]  # type: ignore[arg-type]
        return mean_by_text(answers, np.repeat(np.arange(len(items)), counts))

    def batch(self, items: Sequence[object]) -> dict[str, Any]:
        """Return the model's inputs of one batch, on the device, shape (inputs, longest)."""
        parts = [part for item in items for part in item]  # type: ignore[attr-defined]
        columns: Any = {name: [part[name] for part in parts] for name in parts[0]}
        padded = self._tokenizer.pad(columns, return_tensors="pt", pad_to_multiple_of=self._multiple)
        return dict(padded.to(self._device))


class TorchClassifier(Classifier):
    """A run with the methods of a bundle, so that the same lines time both.

    Args:
        backend: The run, loaded.
        form: What to call it.
        warm_up_passes: How often every review is run before the first is timed.
    """

    def __init__(self, backend: TorchBackend, form: str, warm_up_passes: int = 0) -> None:
        self.labels = backend.labels
        self.form = form
        self.warm_up_passes = warm_up_passes
        self._use(backend)


def load_run_form(folder: Path, *, form: str, threads: int | None, device: str) -> TorchClassifier:
    """Load a run in a precision and mode of torch, as the measured process does.

    Args:
        folder: The run's folder.
        form: Such as ``torch-bf16-compile``.
        threads: Threads of the CPU; ``None`` leaves it to torch.
        device: ``cpu`` or ``cuda``.

    Raises:
        UsageError: There is no such run, it has no torch model, or the device has no such form.
        SlmbenchError: Torch or the device is not available, or the model's files are missing or damaged.
    """
    precision, mode = parse_form(form, device)
    backend = TorchBackend(folder, device=device, precision=precision, mode=mode, threads=threads)
    return TorchClassifier(backend, form, WARM_UP_PASSES[mode])

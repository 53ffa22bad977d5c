"""A run's torch model behind the protocol of ``slmbench.edge.runtime.Backend``: text to ids, ids to logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import UsageError, require_extra
from slmbench.edge import Classifier
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
        if not record.has_model or (run / "model/tfidf.json").is_file():
            raise UsageError(f"{run} has no torch model ({record.method}): measure its bundle instead")
        require_extra("torch", "train", "running a run in torch")
        import torch

        from slmbench.methods.training.inference import load_run
        from slmbench.models.quiet import quiet_libraries

        check_forward(device, precision, mode)
        if threads is not None:
            torch.set_num_threads(threads)
        self.labels: list[str] = record.predictions.labels
        self._device = device
        self._multiple = GRAPH_TOKENS if mode == "graphs" else None
        with quiet_libraries():
            model, self._tokenizer, self._limit = load_run(run, record)
            self._forward = prepare_forward(model, device, precision, mode)

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise; each item has the model's inputs for one text, truncated as in training."""
        columns = self._tokenizer(list(texts), truncation=True, max_length=self._limit)
        return [{name: column[row] for name, column in columns.items()} for row in range(len(texts))]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each item."""
        return [len(item["input_ids"]) for item in items]  # type: ignore[index]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch, padded to its longest item; returns single-precision logits, shape (items, labels).

        They are copied to the CPU, which waits for the device: the caller's clock includes all of the work.
        """
        return self._forward(self.batch(items)).float().cpu().numpy()

    def batch(self, items: Sequence[object]) -> dict[str, Any]:
        """Return the model's inputs of one batch, on the device, shape (items, longest)."""
        columns: Any = {name: [item[name] for item in items] for name in items[0]}  # type: ignore[index, attr-defined]
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
        self._backend = backend


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

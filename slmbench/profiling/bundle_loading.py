"""How the measured process loads a form of a bundle: it imports the edge runtime and nothing else of slmbench."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slmbench.edge.runtime import Classifier


def load_bundle(
    folder: Path, *, form: str, threads: int | None, device: str, workers: int | None = None
) -> Classifier:
    """Load a form of a bundle with the edge runtime.

    Args:
        folder: The bundle's folder.
        form: One of its forms.
        threads: Threads inside one inference; ``None`` leaves it to onnxruntime.
        device: One of the edge runtime's providers.
        workers: Inferences at a time; by default one where there are ``threads``.

    Raises:
        UsageError: There is no such folder, form or provider.
        SlmbenchError: A file is missing or changed, or the provider is not installed.
    """
    from slmbench.edge.runtime import Classifier

    return Classifier(folder, form=form, threads=threads, workers=workers, provider=device)


def load_bundle_on_openvino(folder: Path, *, form: str, threads: int | None, device: str) -> Classifier:
    """Load a form of a bundle with the edge runtime's OpenVINO provider; see :func:`load_bundle`."""
    return load_bundle(folder, form=form, threads=threads, device="openvino")

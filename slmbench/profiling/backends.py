"""Backends: what runs a model while it is measured, each declared once; installed packages add more.

A package adds a backend with a declaration, a function that loads a form, and an entry point::

    # my_package/__init__.py
    from slmbench.profiling.backends import ProfilingBackend

    MINE = ProfilingBackend(name="mine", help="My runtime", loader="my_package:load", libraries=("my-package",))

    def load(folder, *, form, threads, device):
        return MyClassifier(...)

    # pyproject.toml
    [project.entry-points."slmbench.backends"]
    mine = "my_package:MINE"

``slmbench profile --backend mine`` then measures bundles with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.registry import Registry


def _never_missing(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class ProfilingBackend:
    """What runs a model while it is measured.

    Attributes:
        name: What ``--backend`` and records call it.
        help: What it is, in one line.
        loader: ``module:function`` that the measured process imports and calls as
            ``function(folder, form=…, threads=…, device=…)``. It returns an object with ``labels``, ``predict``,
            ``predict_proba`` and ``token_lengths`` as :class:`slmbench.edge.Classifier` has them. Nothing else of a
            backend is imported there, so that memory and cold start are those of the function.
        devices: Devices that it serves, each with the distributions that it needs only there.
        libraries: Distributions whose versions change a measurement; ``python`` is Python's own.
        exported_on: Devices on which a form computes as it did when it was exported: its accuracy is the bundle's.
            On the others the profile measures the accuracy, one review at a time, before it times anything.
        missing: Returns why the backend cannot run on a device of this machine, or ``None`` when it can.
        takes: Whether it measures bundles or runs. Backends of packages take bundles.
    """

    name: str
    help: str
    loader: str
    devices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"cpu": ()})
    libraries: tuple[str, ...] = ()
    exported_on: tuple[str, ...] = ()
    missing: Callable[[str], str | None] = _never_missing
    takes: Literal["bundle", "run"] = "bundle"

    def libraries_on(self, device: str) -> tuple[str, ...]:
        """Return the distributions whose versions change a measurement on a device."""
        return self.libraries + self.devices[device]

    def check_device(self, device: str) -> None:
        """Check that it serves a device, which need not be there.

        Raises:
            UsageError: It does not.
        """
        if device not in self.devices:
            raise UsageError(f"--device {device}: choose among {', '.join(self.devices)} (backend {self.name})")

    def check_available(self, device: str) -> None:
        """Check that it can run on a device of this machine.

        Raises:
            SlmbenchError: It cannot; the message says why and what to install.
        """
        if reason := self.missing(device):
            raise SlmbenchError(reason)


def _provider_missing(device: str) -> str | None:
    if device == "cpu":
        return None
    import onnxruntime

    from slmbench.edge.runtime import PROVIDERS, missing_provider

    return None if PROVIDERS[device][0] in onnxruntime.get_available_providers() else str(missing_provider(device))


def _openvino_missing(_: str) -> str | None:
    import onnxruntime

    from slmbench.edge.runtime import PROVIDERS, openvino_device

    if PROVIDERS["openvino"][0] in onnxruntime.get_available_providers():
        return None
    try:
        openvino_device()
    except SlmbenchError as error:
        return str(error)
    return None


def _torch_missing(device: str) -> str | None:
    from slmbench.instruments.devices import choose_device

    try:
        require_extra("torch", "train", "profiling a run in torch")
        choose_device(device)
    except SlmbenchError as error:
        return str(error)
    return None


_EDGE_LIBRARIES = ("onnxruntime", "numpy", "tokenizers", "python")
ONNXRUNTIME = ProfilingBackend(
    name="onnxruntime",
    help="onnxruntime's own CPU and CUDA providers",
    loader="slmbench.profiling.bundle_loading:load_bundle",
    devices={"cpu": (), "cuda": ("onnxruntime-gpu",)},
    libraries=_EDGE_LIBRARIES,
    exported_on=("cpu",),
    missing=_provider_missing,
)
OPENVINO = ProfilingBackend(
    name="openvino",
    help="Intel's OpenVINO through onnxruntime",
    loader="slmbench.profiling.bundle_loading:load_bundle_on_openvino",
    devices={"cpu": ("onnxruntime-ep-openvino", "onnxruntime-openvino")},
    libraries=_EDGE_LIBRARIES,
    missing=_openvino_missing,
)
TORCH = ProfilingBackend(
    name="torch",
    help="torch, which measures runs as they are, without an export",
    loader="slmbench.profiling.torch.backend:load_run_form",
    devices={"cpu": (), "cuda": ()},
    libraries=("torch", "transformers", "numpy", "tokenizers", "python"),
    missing=_torch_missing,
    takes="run",
)

BUILTIN_BACKENDS = (ONNXRUNTIME, OPENVINO, TORCH)
BACKENDS = Registry("backend", "slmbench.backends", BUILTIN_BACKENDS)

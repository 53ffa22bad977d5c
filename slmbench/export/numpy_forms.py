"""The forms of what numpy runs, TF-IDF and static models: each is declared once, with its file and its maker.

They have the names of the ONNX forms that they resemble, so that recipes and options ask every run for the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slmbench.edge.runtime import NUMPY_BACKENDS, Backend
from slmbench.export.forms import REFERENCE
from slmbench.methods.static.table_files import to_int8


@dataclass(frozen=True)
class NumpyForm:
    """A form: one file of arrays.

    Attributes:
        file: Its name in the bundle's folder.
        help: What it is, in one line.
        make: Writes the file, given the trained model's arrays and where to write.
    """

    file: str
    help: str
    make: Callable[[Path, Path], object]


@dataclass(frozen=True)
class NumpyRuntime:
    """A kind of classifier that numpy runs.

    Attributes:
        trained: Name of the arrays in a run's ``model/``, beside its settings.
        against: What fp32 is compared with: what answered the test rows of the run.
        forms: By the name of the form, fp32 first.
        needs: Modules that making them needs, each with its extra.
    """

    trained: str
    against: str
    forms: dict[str, NumpyForm]
    needs: tuple[tuple[str, str], ...] = ()


NUMPY_RUNTIMES = {
    "tfidf": NumpyRuntime(
        "tfidf.npz",
        "scikit-learn in fp64",
        {REFERENCE: NumpyForm("tfidf.npz", "as trained", shutil.copy)},
        needs=(("sklearn", "train"),),
    ),
    "static": NumpyRuntime(
        "static.npz",
        "the trained table",
        {
            REFERENCE: NumpyForm("static.npz", "as trained", shutil.copy),
            "int8": NumpyForm(
                "static_int8.npz", "the table in int8, added up in whole numbers: the same sums everywhere", to_int8
            ),
        },
    ),
}


def copy_settings(runtime: str, model: Path, folder: Path, labels: Sequence[str]) -> None:
    """Copy what all forms need into a bundle's folder, and write its ``config.json``."""
    shutil.copy(model / NUMPY_BACKENDS[runtime].settings, folder)
    configuration = {
        "model_type": runtime,
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    (folder / "config.json").write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")


def load_numpy(runtime: str, file: Path) -> Backend:
    """Load a form's file, or a run's arrays."""
    return NUMPY_BACKENDS[runtime](file.parent, file.name)

"""From a run to a bundle: ONNX, quantized forms, parity on real reviews, the Hugging Face-shaped folder.

``export`` is imported on first use, so that the declarations of forms cost a command line nothing.
"""

from typing import TYPE_CHECKING, Any

from slmbench.common.stage_package import make_callable
from slmbench.export.forms import (
    DEFAULT_CALIBRATION,
    DEFAULT_FORMS,
    DEFAULT_MAX_ACCURACY_DROP,
    FORMS,
    Calibration,
    CalibrationMethod,
    Form,
)

if TYPE_CHECKING:
    from slmbench.export.bundling import export

__all__ = [
    "DEFAULT_CALIBRATION",
    "DEFAULT_FORMS",
    "DEFAULT_MAX_ACCURACY_DROP",
    "FORMS",
    "Calibration",
    "CalibrationMethod",
    "Form",
    "export",
]


def __getattr__(name: str) -> Any:
    """Import ``export`` when it is first asked for."""
    if name != "export":
        raise AttributeError(f"module 'slmbench.export' has no attribute {name!r}")
    from slmbench.export.bundling import export

    return export


make_callable(__name__)

"""From a run to a bundle: ONNX, quantized forms, parity on real reviews, the Hugging Face-shaped folder.

``export`` is imported on first use, so that the declarations of forms cost a command line nothing.
"""

from typing import TYPE_CHECKING

from slmbench.common.stage_package import make_callable, on_first_use
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

__getattr__ = on_first_use(__name__, {"export": "bundling"})
make_callable(__name__)

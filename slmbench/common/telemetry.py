"""Switch off the telemetry of libraries, before any of them is imported."""

from __future__ import annotations

import os

#: Environment variables that switch telemetry off; those that a user has set stay.
SETTINGS = {
    # A convention (consoledonottrack.com) that huggingface_hub and mlflow follow.
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # onnxruntime 1.31 and later, on every system.
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
}


def turn_off() -> None:
    """Set the variables for this process and those that it starts."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)

"""Queries of NVIDIA's driver through ``nvidia-smi``, which comes with the driver and needs no library."""

from __future__ import annotations

import shutil
import subprocess


def ask_driver(quantity: str, gpu: str | None = None) -> list[str]:
    """Ask ``nvidia-smi`` for a quantity.

    Args:
        quantity: A name that ``nvidia-smi --help-query-gpu`` lists.
        gpu: Index or UUID of one GPU; all when not given.

    Returns:
        One line per GPU, without units; none where the tool is missing, fails or hangs.
    """
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, f"--query-gpu={quantity}", "--format=csv,noheader,nounits", *(() if gpu is None else ("-i", gpu))]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]

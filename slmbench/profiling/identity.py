"""What a profile's record is called, and the key over everything that its measurement depends on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from slmbench.common.errors import UsageError
from slmbench.common.files import content_key
from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.profiling.prepared import AnyCell
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.records import ProfileRecord
from slmbench.records.base import finished_record


def check_output(output: Path) -> None:
    """Check, before anything is timed, that records can be put there.

    Raises:
        UsageError: It is a file.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file, not a folder")


def check_names(names: Sequence[str]) -> None:
    """Check, before anything is timed, that no record would replace another.

    Raises:
        UsageError: Two records would have one name, which is made of their folders' names.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"the records of two folders would both be called {twice[0]} and would replace each other: measure one"
            " after the other, each with an --output of its own"
        )


def profile_key(cell: AnyCell, options: ProfileOptions) -> str:
    """Return the hash of everything a cell's measurement depends on, machine and versions included."""
    libraries = options.runs_on.libraries_on(options.device)
    versions = software_versions(libraries)
    return content_key(
        stage="profile/4",
        **cell.inputs,
        machine=hardware_fingerprint()["fingerprint"],
        backend=options.backend,
        device=options.device,
        threads=options.threads_used,
        processes=options.processes,
        time_limit_s=options.time_limit_s,
        **_scenario_inputs(options),
        **(
            {"sessions": options.sessions, "session_gap_min": options.session_gap_min} if options.sessions > 1 else {}
        ),
        **({"grid": options.grid} if options.grid is not None else {}),
        versions={name: versions.get(name) for name in libraries},
    )


def _scenario_inputs(options: ProfileOptions) -> dict[str, float | str]:
    """Return the scenario's part of the key; empty for single reviews, so that keys of older records stay valid."""
    sustained = {} if options.sustained_s is None else {"sustained_s": options.sustained_s}
    if options.scenario == "single" and options.batch_tokens == BATCH_TOKENS:
        return dict(sustained)
    inputs: dict[str, float | str] = {"scenario": options.scenario, "batch_tokens": options.batch_tokens}
    return (
        inputs
        | sustained
        | {name: value for name in ("qps", "max_p95_ms", "url") if (value := getattr(options, name)) is not None}
    )


def finished_profile(cell: AnyCell, options: ProfileOptions, output: Path) -> Path | None:
    """Return the record of a cell when it was measured already, on a like machine with the same versions."""
    path = output / f"{profile_name(cell, options)}.json"
    return path if finished_record(ProfileRecord, path, profile_key(cell, options)) else None


def profile_name(cell: AnyCell, options: ProfileOptions) -> str:
    """Return the name of a cell's record, which is also its file's."""
    machine = hardware_fingerprint()["fingerprint"][:8]
    return f"{cell.folder.resolve().name}.{cell.form}.{setting_name(options)}{_scenario_suffix(options)}.{machine}"


def setting_name(options: ProfileOptions) -> str:
    """Return the part of a record's name that tells backend, device and threads."""
    return f"{options.backend}-{options.device}-{options.threads_used}t"


def _scenario_suffix(options: ProfileOptions) -> str:
    """Return the part of a record's name that tells the scenario; empty for single reviews."""
    if options.scenario == "server":
        if options.url is not None:
            return f"-server-{options.qps:g}qps-http"
        return f"-server-{options.qps:g}qps" if options.qps else f"-server-p95-{options.max_p95_ms:g}ms"
    batches = "" if options.batch_tokens == BATCH_TOKENS else f"-{options.batch_tokens}tokens"
    return ("" if options.scenario == "single" else f"-{options.scenario}") + batches

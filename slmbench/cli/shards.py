"""``slmbench predict`` for many rows: when it is meant, and the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slmbench.cli.output import Output
from slmbench.cli.prediction_output import OUTPUT_FORMATS
from slmbench.common.errors import UsageError


def in_shards(source: str | None, output: str | None, *, asked: bool) -> bool:
    """Say whether an input is answered in shards: a folder, a pattern, a URL, or a file where that is asked for.

    Args:
        source: ``--input``.
        output: ``--output``.
        asked: Whether an option of shards is given.

    Raises:
        UsageError: It is, and there is no folder to write to.
    """
    from slmbench.corpora.local_files import is_pattern
    from slmbench.scoring.stores import is_url, local_path

    if source is None:
        if asked:
            raise UsageError("--shard-rows, --output-format, --on-error and --engine are for files: name --input")
        return False
    path = local_path(source)
    many = is_url(source) or path.is_dir() or (is_pattern(source) and not path.exists())
    if not (many or asked or (output is not None and Path(output).is_dir())):
        return False
    if output is None:
        raise UsageError(f"name a folder for the shards of {source} with --output")
    if Path(output).suffix.lower() in OUTPUT_FORMATS and not Path(output).is_dir():
        raise UsageError(f"--output {output} is named like a file: {source} is answered in shards, name their folder")
    return True


def predict_in_shards(
    bundle: Path, source: str | None, output: str | None, keep: str | None, options: dict[str, Any], out: Output
) -> None:
    """Answer files in shards, and show the summary.

    Args:
        bundle: The bundle's folder.
        source: ``--input``.
        output: ``--output``.
        keep: Names of columns with commas between them, or ``all``.
        options: Keyword arguments of :func:`slmbench.scoring.predicting.predict_files`.
        out: Where progress and the summary are shown.
    """
    from slmbench.cli.views.scoring import view_scoring
    from slmbench.scoring.predicting import predict_files

    kept = None if keep is None else [name.strip() for name in keep.split(",") if name.strip()]
    record = predict_files(
        bundle, source or "", output or "", keep=kept, command=out.command, progress=out, **options
    )
    out.result(record.to_json(), *view_scoring(record), written=record.path)

"""``--folds`` of the commands that make runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slmbench.cli.output import Output
from slmbench.methods.method import Stage
from slmbench.methods.options import MethodOptions


def cross_validation(
    stage: Stage,
    model: str,
    corpus: str,
    options: MethodOptions,
    folds: int,
    reading: dict[str, Any],
    output: Path | None,
    out: Output,
) -> None:
    """Cross-validate and show the result.

    Args:
        stage: The command.
        model: Of ``--model``.
        corpus: Of ``--corpus``.
        options: Of the method.
        folds: Number of folds.
        reading: Keyword arguments of ``load_corpus``.
        output: Of ``--output``.
        out: The command's output.
    """
    from slmbench.cli.views.runs import cross_validation_summary
    from slmbench.methods.cross_validation import cross_validate
    from slmbench.methods.known_methods import method_of

    record = cross_validate(
        method_of(stage, options.method),
        model,
        corpus,
        options,
        folds=folds,
        reading=reading,
        output=output,
        command=out.command,
        progress=out,
    )
    out.result(record.to_json(), *cross_validation_summary(record), written=record.path)

"""``slmbench adapt``: train a masked language model on reviews without their labels."""

from __future__ import annotations

from typing import Any

from slmbench.cli import shared_options as opt
from slmbench.cli.corpus_options import LAYOUT, reads_corpus
from slmbench.cli.method_options import these_options
from slmbench.cli.output import command_output
from slmbench.methods.declarations.training import ADAPTATION


@reads_corpus("text_column", "test_share", *LAYOUT, "skip_bad_rows")
@these_options(ADAPTATION)
def adapt(
    model: opt.ModelName = opt.DEFAULT_MODEL,
    corpus: opt.CorpusName = "imdb",
    output: opt.OutputFolder = None,
    seed: opt.Seed = 42,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    *,
    reading: dict[str, Any],
    **options: Any,
) -> None:
    """Adapt a language model to reviews without their labels; fine-tune from the checkpoint afterwards.

    Examples:
      slmbench adapt --model bert-tiny --train-size 2000
      slmbench adapt --model minilm-l6 --corpus reviews.csv --text-column body --output runs/minilm-adapted
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.views.runs import checkpoint_summary
        from slmbench.methods.training import MlmOptions
        from slmbench.methods.training import adapt as train

        record = train(
            model,
            corpus,
            MlmOptions(seed=seed, **options),
            reading=reading,
            output=output,
            command=out.command,
            progress=out,
        )
        column = reading.get("text_column")
        columns = ("--text-column", str(column)) if column else ()
        then = ("finetune", "--model", record.path, "--corpus", corpus, *columns)
        out.result(record.to_json(), *checkpoint_summary(record), written=record.path, then=then)

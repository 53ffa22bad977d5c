"""``slmbench fewshot``: classify reviews with few labelled examples, or none."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.corpus_options import ALL, reads_corpus
from slmbench.cli.folds import cross_validation
from slmbench.cli.method_options import method_help, method_names, options_of
from slmbench.cli.output import command_output


@reads_corpus(*(name for name in ALL if name != "unlabelled_corpus"))
@options_of("fewshot")
def fewshot(
    model: opt.ModelName,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help=f"How the reviews are classified. {method_help('fewshot')}.",
            autocompletion=lambda: method_names("fewshot"),
        ),
    ],
    corpus: opt.CorpusName = "imdb",
    train_size: opt.TrainSize = None,
    test_size: opt.TestSize = None,
    folds: opt.Folds = None,
    output: opt.OutputFolder = None,
    seed: opt.Seed = 42,
    seeds: Annotated[
        int, typer.Option("--seeds", help="Number of runs, with seeds from --seed upwards; prints their mean.", min=1)
    ] = 1,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    *,
    reading: dict[str, Any],
    **options: Any,
) -> None:
    """Classify the test reviews with a pretrained model and few labelled examples, or none.

    Examples:
      slmbench fewshot --model bert-tiny --method cloze --test-size 200
      slmbench fewshot --model minilm-l6 --method setfit --shots 8 --seeds 3
      slmbench fewshot --model smollm2-135m --method prompt --shots 2 --test-size 50
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.next_step import after_run
        from slmbench.cli.views.evaluation import seeds_table
        from slmbench.cli.views.runs import run_summary
        from slmbench.common.errors import UsageError
        from slmbench.corpora import load_corpus
        from slmbench.evaluation import group_runs
        from slmbench.methods.fewshot import fewshot as classify
        from slmbench.methods.known_methods import choose_options

        if seeds > 1 and output is not None:
            raise UsageError("--output names one run: leave it out with --seeds")
        chosen = [choose_options("fewshot", method, options, seed=seed + turn) for turn in range(seeds)]
        reading |= {"train_size": train_size, "test_size": test_size}
        if folds is not None:
            if seeds > 1:
                raise UsageError("--folds and --seeds each make several runs: give one of them")
            cross_validation("fewshot", model, corpus, chosen[0], folds, reading, output, out)
            return
        reviews = load_corpus(corpus, **reading, progress=out)
        records = [classify(model, reviews, one, output=output, command=out.command, progress=out) for one in chosen]
        then = after_run(records[0])
        if seeds == 1:
            out.result(records[0].to_json(), *run_summary(records[0]), written=records[0].path, then=then)
        else:
            runs = ",".join(record.to_json() for record in records)
            document = f'{{"schema":"slmbench.runs/1","runs":[{runs}]}}'
            out.result(document, *seeds_table(group_runs(records)), then=then)

"""``slmbench finetune``: train a classifier on reviews and test it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.corpus_options import ALL, reads_corpus
from slmbench.cli.folds import cross_validation
from slmbench.cli.method_options import method_help, method_names, options_of
from slmbench.cli.output import command_output
from slmbench.methods.ranks import together


@reads_corpus(*ALL)
@options_of("finetune")
def finetune(
    model: opt.OptionalModelName = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help=f"How the classifier is made. {method_help('finetune')}.",
            show_default="full",
            autocompletion=lambda: method_names("finetune"),
        ),
    ] = None,
    lora: Annotated[bool, typer.Option("--lora", help="The same as --method lora.")] = False,
    corpus: opt.CorpusName = "imdb",
    train_size: opt.TrainSize = None,
    test_size: opt.TestSize = None,
    folds: opt.Folds = None,
    output: opt.OutputFolder = None,
    seed: opt.Seed = 42,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    *,
    reading: dict[str, Any],
    **options: Any,
) -> None:
    """Fine-tune a classifier and test it on held-out reviews.

    Examples:
      slmbench finetune --model minilm-l6 --train-size 1000 --test-size 1000
      slmbench finetune --model albert-base-v2 --lora
      slmbench finetune --model bert-tiny --teacher runs/minilm-l6-full-imdb --unlabelled 10000
      slmbench finetune --method tfidf --corpus reviews.csv --text-column body --label-column verdict
      slmbench finetune --method tfidf --corpus few.csv --folds 5
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out, together(out) as does_it:
        if not does_it:
            return
        from slmbench.cli.next_step import after_run
        from slmbench.cli.views.runs import run_summary
        from slmbench.common.errors import UsageError
        from slmbench.corpora import load_corpus
        from slmbench.methods.known_methods import METHODS
        from slmbench.methods.training import TrainingOptions
        from slmbench.methods.training import finetune as train

        if lora and method not in (None, "lora"):
            raise UsageError(f"--lora and --method {method} contradict each other")
        if method is None and model is not None and model in method_names("finetune") and not Path(model).exists():
            raise UsageError(f"'{model}' is a method, not a model: use --method {model}")
        chosen = TrainingOptions(method or ("lora" if lora else "full"), seed=seed, **options)
        if model is not None and not METHODS[chosen.method].takes_model:
            raise UsageError(f"method '{chosen.method}' starts from no model: leave out --model {model}")
        model = model or opt.DEFAULT_MODEL
        if "unlabelled_corpus" in reading and "teacher" not in chosen.given:
            raise UsageError("--unlabelled-corpus is labelled by a teacher: name one with --teacher")
        sizes = {"train_size": train_size, "test_size": test_size}
        reading |= {**sizes, "unlabelled_size": chosen.given.get("unlabelled")}
        if folds is not None:
            cross_validation("finetune", model, corpus, chosen, folds, reading, output, out)
            return
        reviews = load_corpus(corpus, **reading, progress=out)
        record = train(model, reviews, chosen, output=output, command=out.command, progress=out)
        out.result(record.to_json(), *run_summary(record), written=record.path, then=after_run(record))

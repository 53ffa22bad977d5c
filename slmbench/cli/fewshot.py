"""``slmbench fewshot``: classify reviews with few labelled examples, or none."""

from __future__ import annotations

from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output


def fewshot(
    model: opt.ModelName,
    method: Annotated[
        str,
        typer.Option("--method", help="cloze, setfit, probe (linear, on frozen embeddings), nli, or prompt."),
    ],
    shots: Annotated[int, typer.Option("--shots", "-k", help="Labelled examples per label.")] = 0,
    corpus: opt.CorpusName = "imdb",
    train_size: opt.TrainSize = None,
    test_size: opt.TestSize = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    stars: opt.Stars = "drop",
    test_corpus: opt.TestCorpus = None,
    skip_bad_rows: opt.SkipBadRows = False,
    template: Annotated[
        str | None,
        typer.Option("--template", help="Cloze with {text} and {mask}, hypothesis with {label}, prompt with {text}."),
    ] = None,
    words: Annotated[
        str | None,
        typer.Option("--words", help="What stands for each label: positive=good,great;negative=bad. [its name]"),
    ] = None,
    top_n: Annotated[
        int | None,
        typer.Option("--top-n", help="Cloze: no answer unless a label's word is among the N likeliest."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="A study's exact rule: study-000 (cloze), study-003-… (prompt)."),
    ] = None,
    inherit_from: Annotated[
        str | None,
        typer.Option("--inherit-from", help="study-000: rows without an answer take this run's."),
    ] = None,
    answer_by: Annotated[
        str | None,
        typer.Option("--answer-by", help="Prompt: likelihood of the labels, calibrated, or generate. [likelihood]"),
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Prompt: in the model's chat template.")] = False,
    epochs: Annotated[int | None, typer.Option("--epochs", help="SetFit: passes over the pairs.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="SetFit: pairs a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--lr", help="SetFit: rate of the encoder.")] = None,
    pairs: Annotated[int | None, typer.Option("--pairs", help="SetFit: most pairs to sample.")] = None,
    max_length: Annotated[int | None, typer.Option("--max-length", help="Longest input in tokens.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    output: opt.OutputFolder = None,
    seed: opt.Seed = 42,
    seeds: Annotated[
        int, typer.Option("--seeds", help="Run with so many seeds, from --seed up, and give the mean.")
    ] = 1,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Classify the test reviews with a pretrained model and few labelled examples, or none.

    Examples:
      slmbench fewshot --model bert-tiny --method cloze --test-size 200
      slmbench fewshot --model minilm-l6 --method setfit --shots 8 --seeds 3
      slmbench fewshot --model smollm2-135m --method prompt --shots 2 --test-size 50
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.choices import choose, size
        from slmbench.cli.views.evaluation import seeds_table
        from slmbench.cli.views.runs import run_summary
        from slmbench.common.errors import UsageError
        from slmbench.corpora import load_corpus
        from slmbench.evaluation import group_runs
        from slmbench.methods.fewshot import fewshot as ask
        from slmbench.methods.fewshot.methods import method_options
        from slmbench.methods.fewshot.words import parse_words

        if seeds < 1:
            raise UsageError(f"--seeds must be at least 1, not {seeds}")
        if seeds > 1 and output is not None:
            raise UsageError("--output names one run: leave it out with --seeds")
        own = {
            "template": template,
            "words": parse_words(words) if words else None,
            "top_n": top_n,
            "protocol": protocol,
            "inherit_from": inherit_from,
            "answer_by": choose("--answer-by", answer_by, "likelihood", "calibrated", "generate"),
            "chat": chat or None,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "pairs": pairs,
        }
        given = {name: value for name, value in own.items() if value is not None}
        chosen = [
            method_options(method, given, shots=shots, seed=seed + turn, max_length=max_length, device=device)
            for turn in range(seeds)
        ]
        chosen[0].check()
        reviews = load_corpus(
            corpus,
            train_size=size("--train-size", train_size),
            test_size=size("--test-size", test_size),
            text_column=text_column,
            label_column=label_column,
            stars=stars,
            test_corpus=test_corpus,
            skip_bad_rows=skip_bad_rows,
            progress=out,
        )
        records = [ask(model, reviews, one, output=output, command=out.command, progress=out) for one in chosen]
        then = ("export", records[0].path)
        if seeds == 1:
            out.result(records[0].to_json(), *run_summary(records[0]), written=records[0].path, then=then)
        else:
            runs = ",".join(record.to_json() for record in records)
            document = f'{{"schema":"slmbench.runs/1","runs":[{runs}]}}'
            out.result(document, *seeds_table(group_runs(records)), then=then)

"""``slmbench finetune``: train a classifier on reviews and test it."""

from __future__ import annotations

from typing import Annotated

import typer

from slmbench.cli import options as opt
from slmbench.cli.output import command_output

#: What an adaptation to reviews without labels has use for.
_OF_MLM = {
    *("model", "corpus", "train_size", "text_column", "skip_bad_rows", "method", "epochs", "learning_rate"),
    *("batch_size", "max_length", "precision", "device", "allow_pickle", "output", "seed"),
    *("as_json", "quiet", "debug"),
}


def finetune(
    ctx: typer.Context,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A starter model, a folder, a run, or a hub name.")
    ] = "minilm-l6",
    corpus: opt.CorpusName = "imdb",
    train_size: opt.TrainSize = None,
    test_size: opt.TestSize = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    stars: opt.Stars = "drop",
    test_corpus: opt.TestCorpus = None,
    skip_bad_rows: opt.SkipBadRows = False,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="full (default), lora, linear or space (heads on the frozen encoder), pretrained (as published),"
            " tfidf: the floor; or mlm: read reviews without their labels, to go on from.",
        ),
    ] = None,
    lora: Annotated[bool, typer.Option("--lora", help="The same as --method lora.")] = False,
    layers: Annotated[
        int | None,
        typer.Option("--layers", help="Keep the first N encoder layers."),
    ] = None,
    epochs: Annotated[float | None, typer.Option("--epochs")] = None,
    learning_rate: Annotated[float | None, typer.Option("--lr")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size")] = None,
    max_length: Annotated[
        int | None,
        typer.Option("--max-length", help="Longest input in tokens."),
    ] = None,
    truncation_side: Annotated[
        str | None,
        typer.Option("--truncation-side", help="Cut long reviews at the right or left."),
    ] = None,
    precision: Annotated[
        str,
        typer.Option("--precision", help="auto, fp32 or bf16 (autocast)."),
    ] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    dropout: Annotated[
        float | None,
        typer.Option("--dropout", help="Every dropout probability of the model (default 0)."),
    ] = None,
    select_by: Annotated[
        str | None,
        typer.Option("--select-by", help="loss, accuracy or macro_f1 picks the epoch."),
    ] = None,
    lora_r: Annotated[int | None, typer.Option("--lora-r")] = None,
    lora_alpha: Annotated[int | None, typer.Option("--lora-alpha")] = None,
    lora_dropout: Annotated[float | None, typer.Option("--lora-dropout")] = None,
    lora_targets: Annotated[
        str | None,
        typer.Option("--lora-targets", help="Module names, comma-separated."),
    ] = None,
    teacher: Annotated[str | None, typer.Option("--teacher", help="Learn the soft labels of this run.")] = None,
    unlabelled: Annotated[
        str | None,
        typer.Option("--unlabelled", help="Further reviews for the teacher to label, or 'all'. [0]"),
    ] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Of the soft labels. [2]")] = None,
    hard_weight: Annotated[
        float | None, typer.Option("--hard-weight", help="Weight of true labels beside the teacher's. [0.5]")
    ] = None,
    latents: Annotated[int | None, typer.Option("--latents", help="Dimensions of each concept space. [3]")] = None,
    inter: Annotated[str | None, typer.Option("--inter", help="Loss between concept spaces: A, B or C. [B]")] = None,
    inter_weight: Annotated[float | None, typer.Option("--inter-weight", help="Its weight. [0.001]")] = None,
    intra_weight: Annotated[
        float | None, typer.Option("--intra-weight", help="Weight of the loss within concept spaces. [0.0001]")
    ] = None,
    ce_weight: Annotated[
        float | None, typer.Option("--ce-weight", help="Weight of cross-entropy beside them. [1]")
    ] = None,
    space_pooling: Annotated[
        str | None, typer.Option("--space-pooling", help="masked, or padded as in study 002. [masked]")
    ] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Draw a frozen head's curves, and tokens in concept spaces.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load *.bin weights, which can run code.")
    ] = False,
    report_to: Annotated[
        str | None,
        typer.Option("--report-to", help="tensorboard, mlflow, trackio or wandb."),
    ] = None,
    output: opt.OutputFolder = None,
    seed: opt.Seed = 42,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Fine-tune a classifier and test it on held-out reviews.

    \b
    Examples:
      slmbench finetune --model minilm-l6 --train-size 1000 --test-size 1000
      slmbench finetune --model albert-base-v2 --lora
      slmbench finetune --model bert-tiny --teacher runs/minilm-l6-full-imdb --unlabelled 10000
      slmbench finetune --method mlm --model bert-tiny --train-size 2000
      slmbench finetune --method tfidf --corpus reviews.csv --text-column body --label-column verdict
    """
    with command_output(as_json=as_json, quiet=quiet, debug=debug) as out:
        from slmbench.cli.choices import choose, refuse_others, size
        from slmbench.cli.command_line import command_line
        from slmbench.cli.views.runs import checkpoint_summary, run_summary
        from slmbench.common.errors import UsageError
        from slmbench.corpora import load_corpus
        from slmbench.methods.registry import methods_of
        from slmbench.methods.training import MlmOptions, TrainingOptions, adapt
        from slmbench.methods.training import finetune as train
        from slmbench.methods.training.space import INTER

        if lora and method not in (None, "lora"):
            raise UsageError(f"--lora and --method {method} contradict each other")
        chosen_method = choose("--method", method, *(known.name for known in methods_of("finetune")), "mlm") or (
            "lora" if lora else "tfidf" if model == "tfidf" else "full"
        )
        chosen_precision = choose("--precision", precision, "auto", "fp32", "bf16") or "auto"
        if chosen_method == "mlm":
            refuse_others(ctx, _OF_MLM, "--method mlm")
            checkpoint = adapt(
                model,
                corpus,
                MlmOptions(
                    max_reviews=size("--train-size", train_size),
                    epochs=epochs,
                    learning_rate=learning_rate,
                    batch_size=batch_size,
                    max_length=max_length,
                    precision=chosen_precision,
                    device=device,
                    allow_pickle=allow_pickle,
                    seed=seed,
                ),
                text_column=text_column,
                skip_bad_rows=skip_bad_rows,
                output=output,
                command=command_line(ctx),
                progress=out,
            )
            out.result(checkpoint.to_json(), *checkpoint_summary(checkpoint))
            return
        training_options = TrainingOptions(
            method=chosen_method,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_length=max_length,
            truncation_side=choose("--truncation-side", truncation_side, "right", "left"),
            precision=chosen_precision if precision != "auto" else None,
            device=device if device != "auto" else None,
            layers=layers,
            dropout=dropout,
            select_by=choose("--select-by", select_by, "loss", "accuracy", "macro_f1"),
            lora_r=lora_r,
            lora_alpha=lora_alpha,
            lora_dropout=lora_dropout,
            lora_targets=tuple(lora_targets.split(",")) if lora_targets else None,
            teacher=teacher,
            temperature=temperature,
            hard_weight=hard_weight,
            latents=latents,
            inter=choose("--inter", inter, *INTER),
            inter_weight=inter_weight,
            intra_weight=intra_weight,
            ce_weight=ce_weight,
            space_pooling=choose("--space-pooling", space_pooling, "masked", "padded"),
            plots=plots or None,
            allow_pickle=allow_pickle or None,
            report_to=choose("--report-to", report_to, "tensorboard", "mlflow", "trackio", "wandb"),
            seed=seed,
        )
        reviews = load_corpus(
            corpus,
            train_size=size("--train-size", train_size),
            test_size=size("--test-size", test_size),
            unlabelled_size=size("--unlabelled", unlabelled) or 0,
            text_column=text_column,
            label_column=label_column,
            stars=choose("--stars", stars, "drop", "negative", "neutral") or "drop",
            test_corpus=test_corpus,
            skip_bad_rows=skip_bad_rows,
            progress=out,
        )
        record = train(model, reviews, training_options, output=output, command=command_line(ctx), progress=out)
        out.result(record.to_json(), *run_summary(record))

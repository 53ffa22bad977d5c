"""The stage ``decide``: a file in; a decision, its report, the rows to look at and a record out."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.common.files import check_place
from slmbench.common.formatting import counted
from slmbench.common.progress import SILENT, Progress
from slmbench.compare import Constraints, compare
from slmbench.corpora import Corpus, load_corpus
from slmbench.corpora.sides import MIN_CONFIRMATION
from slmbench.deciding.candidates import larger_rungs
from slmbench.deciding.doubtful import suspected_labels, worth_a_label, write_table
from slmbench.deciding.learning_curve import learning_curve
from slmbench.deciding.looking import assumptions, findings
from slmbench.deciding.search import Search
from slmbench.edge import Classifier
from slmbench.methods.options import DEFAULT_SEED
from slmbench.recipes.recipe import Recipe
from slmbench.records import ComparisonRecord, DecisionRecord, write_record
from slmbench.records.decision import LearningCurve
from slmbench.report import write_report

DECISIONS = Path("decisions")
#: Training reviews and test reviews, at most: more would not fit into minutes on a CPU.
MAX_TRAIN, MAX_TEST = 20_000, 2_000
#: How each form is measured: three processes bound a time, and what is left of the budget goes to more rungs.
PROFILE = {"processes": 3, "time_limit_s": 6}
#: Texts without a label that the recommended classifier is asked about, at most.
MAX_ASKED = 5_000
SUSPECTED, NEXT = "suspected-labels.csv", "label-next.csv"


def decide(
    corpus: str | Path,
    *,
    constraints: Constraints | None = None,
    time_budget_s: float = 600.0,
    models: Sequence[str] = (),
    reading: Mapping[str, Any] | None = None,
    output: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **limits: float | None,
) -> DecisionRecord:
    """Find what to ship for a file of labelled texts.

    TF-IDF gives the first answer, a static table a second; then transformers are tried while the time lasts, with
    4,000 reviews and more first on a quarter of them. What an earlier call has finished is not done again. Ctrl-C
    after the first answer ends the search and decides between what is there.

    Args:
        corpus: A file, or whatever else ``slmbench.load_corpus`` takes.
        constraints: Limits that a recommendation must keep, instead of giving them one by one.
        time_budget_s: Seconds after which no rung is begun, and within which the last one is expected to end.
        models: Models to try instead of the starter models.
        reading: Further keyword arguments of ``slmbench.load_corpus``, such as ``{"label_column": "verdict"}``.
        output: Folder of the decision; ``decisions/NAME`` when not given.
        command: The command line, for the records.
        progress: Where progress is reported.
        **limits: Limits by name, as :class:`slmbench.compare.Constraints` takes them: ``max_p95_ms=20``.

    Returns:
        The record. The folder has it as ``decision.json``, the report in ``report/``, and, where there are some, rows
        whose label may be wrong (``suspected-labels.csv``) and texts to label next (``label-next.csv``).

    Raises:
        UsageError: There is no such file or column, a limit is wrong, or the folder holds something else.
        SlmbenchError: A row cannot be used, or no classifier could be made.
        KeyboardInterrupt: Before the first answer, or by another signal than that of Ctrl-C.
    """
    started = time.monotonic()
    if not time_budget_s > 0:
        raise UsageError(f"the time budget has to be above 0, it is {time_budget_s:g} s")
    name = _name_of(corpus)
    folder = Path(output) if output else DECISIONS / name
    check_place(folder, DecisionRecord.file)
    recipe = Recipe.model_validate(
        {
            "name": f"decide-{name}",
            "rungs": [{"name": "tfidf", "method": "tfidf"}],
            "profile": PROFILE,
            "limits": (constraints or Constraints(**limits)).as_dict(),
        }
    )
    reviews = _load(str(corpus), dict(reading or {}), progress)
    assumed, found = assumptions(reviews), findings(reviews)
    for sentence in assumed + found:
        progress.say(sentence)
    search = Search(recipe, reviews, budget_s=time_budget_s, started=started, command=command, progress=progress)
    interrupted = False
    suspected: Path | None = None
    try:
        search.first()
        suspected = _write_suspected(reviews, folder, found, progress)
        search.larger(larger_rungs(models))
        search.taught()
    except KeyboardInterrupt as stop:
        if search.first_answer is None or getattr(stop, "number", signal.SIGINT) != signal.SIGINT:
            raise
        interrupted = True
        progress.say("interrupted: deciding between what was measured")
    comparison = _compared(search, recipe, folder / "report", command, progress, interrupted=interrupted)
    best, first = comparison.recommended, search.first_answer
    bundle = search.bundle_of(best.name) if best else None
    label_next = (
        _write_next(search.unlabelled[:MAX_ASKED], bundle, best.form, folder, found)
        if best and bundle and not interrupted
        else None
    )
    curve = _curve(search, best.name if best else "tfidf")
    if curve is not None:
        found.append(curve.sentence)
    decided = comparison.decisions[0] if comparison.decisions else None
    record = DecisionRecord(
        name=name,
        command=list(command),
        assumed=assumed,
        findings=found,
        time_budget_s=time_budget_s,
        seconds=round(search.elapsed_s, 3),
        first_answer_seconds=round(first[1], 3) if first else None,
        first_answer=first[0] if first else None,
        interrupted=interrupted,
        rungs=search.tried,
        sentence=decided.sentence if decided else "Nothing was measured.",
        recommended=best,
        confirmation=comparison.confirmation,
        corrected=comparison.corrected,
        stability=decided.stability if decided else None,
        bundle=str(bundle) if bundle else None,
        report=str(folder / "report"),
        learning_curve=curve,
        suspected_labels=str(suspected) if suspected else None,
        label_next=str(label_next) if label_next else None,
    )
    write_record(record, folder / DecisionRecord.file)
    return record


def _name_of(corpus: str | Path) -> str:
    """Return what the decision is called: the file's name without its ending, in letters that a folder may have."""
    stem = Path(corpus).name.split(".")[0] or Path(corpus).name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "corpus"


def _load(corpus: str, reading: dict[str, Any], progress: Progress) -> Corpus:
    """Load the reviews: all there are to learn from, and as many to test on as leave enough to confirm."""
    pools = load_corpus(corpus, **reading, progress=progress)
    spare = pools.test_pool - MIN_CONFIRMATION
    sizes = {
        "train_size": min(pools.train_pool, MAX_TRAIN),
        # Below that the interval of the test rows matters more than a second look at what was chosen on them.
        "test_size": min(
            MAX_TEST, max(spare, pools.test_pool // 2) if spare >= MIN_CONFIRMATION else pools.test_pool
        ),
    }
    return load_corpus(corpus, **{**reading, **sizes}, announce=False, progress=progress)


def _compared(
    search: Search, recipe: Recipe, folder: Path, command: Sequence[str], progress: Progress, *, interrupted: bool
) -> ComparisonRecord:
    """Decide between everything measured, and write the report."""
    measured = search.measured(at_the_end=not interrupted)
    record = compare(
        measured,
        constraints=recipe.constraints(),
        rule=recipe.decision.rule(),
        failures=search.failures,
        name=recipe.name,
        command=command,
        progress=progress,
    )
    write_report(record, measured.profiles, folder, progress=progress)
    return record


def _write_suspected(corpus: Corpus, folder: Path, found: list[str], progress: Progress) -> Path | None:
    """Write the training rows whose label may be wrong, and add a sentence about them."""
    train, names = corpus.train, corpus.label_names
    with progress.task("looking for labels that may be wrong"):
        suspects = suspected_labels(train.texts, train.labels, DEFAULT_SEED)
    if not suspects:
        return None
    rows = [
        (names[train.labels[row]], names[likelier], f"{own:.3f}", f"{best:.3f}", train.texts[row])
        for row, likelier, own, best in suspects
    ]
    file = folder / SUSPECTED
    write_table(file, ("label", "likelier", "probability_of_label", "probability_of_likelier", "text"), rows)
    found.append(
        f"{counted(len(suspects), 'training row')} may have a wrong label, by TF-IDF that has not seen them: {file},"
        " the least likely first"
    )
    progress.say(found[-1])
    return file


def _write_next(texts: list[str], bundle: Path, form: str, folder: Path, found: list[str]) -> Path | None:
    """Write the texts whose label would teach most, of those that have none, and add a sentence about them."""
    if not texts:
        found.append("no text is without a label: add some, and the next call says which to label first")
        return None
    classifier = Classifier(bundle, form=form)
    answers = list(classifier.predict(texts))
    probabilities = np.array([[answer.scores[label] for label in classifier.labels] for answer in answers])
    taken = worth_a_label(texts, probabilities)
    file = folder / NEXT
    write_table(
        file,
        ("text", "guess", "probability"),
        [(texts[place], answers[place].label, f"{probabilities[place].max():.3f}") for place in taken],
    )
    found.append(f"the {counted(len(taken), 'text')} to label next, of {len(texts):,} without a label: {file}")
    return file


def _curve(search: Search, rung: str) -> LearningCurve | None:
    """Return the learning curve of the recommended rung, or where it has too few points that of the baseline."""
    return learning_curve(rung, search.right.get(rung, [])) or learning_curve("tfidf", search.right.get("tfidf", []))

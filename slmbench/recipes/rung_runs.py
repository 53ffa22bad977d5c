"""Running the rungs of a recipe: each becomes a run and a bundle, or a row without a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slmbench.cascade import cascade
from slmbench.common.errors import SlmbenchError
from slmbench.common.full_disk import DiskFullError
from slmbench.common.places import BUNDLES, RUNS
from slmbench.common.progress import Progress
from slmbench.common.stages import stage
from slmbench.corpora import Corpus, load_corpus
from slmbench.evaluation import evaluate
from slmbench.export import export
from slmbench.methods.cross_validation import cross_validate
from slmbench.methods.runs import make_run
from slmbench.recipes.recipe import Recipe, TransferTable
from slmbench.recipes.rungs import CascadeRung, MethodRung, Rung
from slmbench.records import Row, RunRecord
from slmbench.report import draw_evaluation


def corpus_of(recipe: Recipe, progress: Progress) -> Corpus | None:
    """Return the reviews that all rungs share; with folds each rung reads them fold by fold.

    Raises:
        SlmbenchError: They cannot be loaded.
    """
    if recipe.corpus.folds is not None:
        return None
    reading = recipe.corpus.reading()
    if recipe.corpus.unlabelled_corpus is not None:
        reading["unlabelled_size"] = 0  # only rungs with a teacher read it
    return load_corpus(recipe.corpus.name, **reading, progress=progress)


class RungRuns:
    """The rungs that have been run so far.

    Args:
        recipe: The recipe.
        corpus: Its reviews; ``None`` where every rung is cross-validated.
        command: The command line, for the records.
        progress: Where progress is reported.

    Attributes:
        runs: Run folder of each rung that has one.
        bundles: Bundle folder of each rung that has one.
        unprofiled: A row for each rung that has predictions but no bundle: the method leaves none, it was
            cross-validated, or it is not to be shipped.
        failures: A row for each rung that failed.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus | None, command: Sequence[str], progress: Progress) -> None:
        self._recipe = recipe
        self._corpus = corpus
        self._command = command
        self._progress = progress
        self.runs: dict[str, Path] = {}
        self.bundles: dict[str, Path] = {}
        self.unprofiled: list[Row] = []
        self.failures: list[Row] = []

    def try_rung(self, rung: Rung) -> None:
        """Run one rung and export it; a failure becomes a row, so that it does not lose the hours spent on others.

        Raises:
            DiskFullError: The other rungs need space as well.
        """
        try:
            self.run_rung(rung)
        except DiskFullError:
            raise
        except (SlmbenchError, OSError, RuntimeError) as error:
            self._progress.say(f"{rung.name} failed: {error}")
            self.failures.append(Row(name=rung.name, model=rung.model, method=rung.method, failure=str(error)))

    def run_rung(self, rung: Rung) -> None:
        """Run one rung and, if it may be shipped, export it.

        Raises:
            UsageError: An option does not fit the model or the corpus.
            SlmbenchError: A rung that it builds on failed, a model cannot be found, training failed, or the run
                cannot be exported.
        """
        if isinstance(rung, CascadeRung):
            self.bundles[rung.name] = self._cascade(rung)
            return
        if self._corpus is None:
            self.unprofiled.append(self._cross_validated(rung))
            return
        run = self._run(rung, self._corpus)
        self.runs[rung.name] = Path(run.path)
        if not (run.has_model and rung.ship):
            why = f"a {run.method} run has no bundle to profile" if rung.ship else "the recipe does not ship it"
            self.unprofiled.append(_unprofiled(run, why))
            return
        with stage("exporting"):
            bundle = export(
                Path(run.path),
                **self._recipe.export.options(),
                seal=False,  # what may be recommended is asked when that is known
                output=BUNDLES / self._folder(rung),
                name=rung.name,
                command=self._command,
                progress=self._progress,
            )
        self.bundles[rung.name] = Path(bundle.path)

    def runs_in_torch(self) -> dict[str, Path]:
        """Return the run folders, by rung, that hold a transformer, which torch can run."""
        return {name: folder for name, folder in self.runs.items() if (folder / "model" / "config.json").is_file()}

    def transfers(self) -> list[str]:
        """Evaluate rungs on other corpora; return a sentence for each, also for those that failed."""
        return [self._transfer(table) for table in self._recipe.transfer]

    def _cross_validated(self, rung: MethodRung) -> Row:
        """Test every review once, by classifiers trained on the other folds; none of them is one to ship."""
        table, folds = self._recipe.corpus, self._recipe.corpus.folds or 0
        record = cross_validate(
            rung.declared,
            rung.model,
            table.name,
            rung.options,
            folds=folds,
            reading=table.reading(),
            output=RUNS / f"{self._folder(rung)}-{folds}folds",
            name=rung.name,
            command=self._command,
            progress=self._progress,
        )
        return Row(
            name=record.name,
            model=record.model,
            method=record.method,
            **{**Row.scores(record.evaluation), "accuracy_ci95": record.accuracy_ci95},
            test_hash=record.predictions.rows_hash(),
            unprofiled=f"cross-validated in {folds} folds: to ship one, train it on all reviews without folds",
        )

    def _run(self, rung: MethodRung, corpus: Corpus) -> RunRecord:
        options = rung.options.replace(**rung.references(lambda name: str(self._run_of(name))))
        size = options.given.get("unlabelled")
        if "teacher" in options.given and (size is not None or self._recipe.corpus.unlabelled_corpus is not None):
            with stage("corpus"):
                corpus = load_corpus(
                    **{**corpus.options, "unlabelled_size": size}, announce=False, progress=self._progress
                )
        return make_run(
            rung.declared,
            rung.model,
            corpus,
            options,
            output=RUNS / self._folder(rung),
            name=rung.name,
            command=self._command,
            progress=self._progress,
        )

    def _cascade(self, rung: CascadeRung) -> Path:
        record = cascade(
            self._member(rung.small),
            self._member(rung.large),
            rung.options,
            output=BUNDLES / self._folder(rung),
            name=rung.name,
            command=self._command,
            progress=self._progress,
        )
        return Path(record.path)

    def _transfer(self, table: TransferTable) -> str:
        if table.rung not in self.bundles:
            return f"{table.rung} was not evaluated on {table.corpus}: it has no bundle"
        try:
            record = evaluate(
                self.bundles[table.rung],
                table.corpus,
                text_column=table.text_column,
                label_column=table.label_column,
                test_size=table.test_size,
                label_map=table.label_map,
                command=self._command,
                progress=self._progress,
            )
            draw_evaluation(record, self._progress)
        except DiskFullError:
            raise
        except (SlmbenchError, OSError) as error:
            return f"{table.rung} was not evaluated on {table.corpus}: {error}"
        return record.sentence()

    def _run_of(self, name: str) -> Path:
        if name not in self.runs:
            raise SlmbenchError(f"it builds on the rung '{name}', which failed")
        return self.runs[name]

    def _member(self, name: str) -> Path:
        """Return a rung's bundle, or its run when it has no bundle."""
        return self.bundles[name] if name in self.bundles else self._run_of(name)

    def _folder(self, rung: Rung) -> str:
        return f"{self._recipe.name}-{rung.name}"


def _unprofiled(run: RunRecord, why: str) -> Row:
    """Return the row of a run that has no bundle."""
    return Row(
        name=run.name,
        model=run.model,
        method=run.method,
        total_parameters=run.total_parameters,
        **Row.scores(run.test),
        test_hash=run.corpus.test_hash,
        unprofiled=why,
    )

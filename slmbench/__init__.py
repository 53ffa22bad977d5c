"""Which text classifier, in which form, should I ship on this hardware? Answered with measurements.

One function per stage, each also a command of the same name::

    import slmbench

    corpus = slmbench.load_corpus("imdb", train_size=1000, test_size=1000)
    run = slmbench.finetune("bert-tiny", corpus, epochs=2)
    bundle = slmbench.export(run.path)
    profiles = slmbench.profile(bundle.path)
    slmbench.compare(max_p95_ms=20).recommended

Each returns a record: what it measured, as attributes, as JSON (``to_json()``), as a pandas table (``to_frame()``),
and drawn as a table in notebooks. ``slmbench.open(path)`` reads the record of anything that a stage left on disk.

Names are imported on first use, so that ``import slmbench`` costs nothing and needs no torch.
"""

from slmbench.common import telemetry
from slmbench.common.version import __version__ as __version__

telemetry.turn_off()

TYPE_CHECKING = False  # as typing has it, which takes longer to import than all of this
if TYPE_CHECKING:  # "as" the same name: these are for type checkers to see from outside
    from slmbench.common.errors import SlmbenchError as SlmbenchError
    from slmbench.common.errors import UsageError as UsageError
    from slmbench.compare import compare as compare
    from slmbench.corpora import Corpus as Corpus
    from slmbench.corpora import load_corpus as load_corpus
    from slmbench.deciding import decide as decide
    from slmbench.edge import Classifier as Classifier
    from slmbench.evaluation import evaluate as evaluate
    from slmbench.evaluation.verify import verify as verify
    from slmbench.export import export as export
    from slmbench.instruments.tuned import tuned_settings as tuned_settings
    from slmbench.methods.cross_validation import cross_validate as cross_validate
    from slmbench.methods.fewshot import fewshot as fewshot
    from slmbench.methods.training.adapt import adapt as adapt
    from slmbench.methods.training.finetune import finetune as finetune
    from slmbench.profiling import profile as profile
    from slmbench.profiling.tuning import tune as tune
    from slmbench.records import BundleRecord as BundleRecord
    from slmbench.records import CheckpointRecord as CheckpointRecord
    from slmbench.records import ComparisonRecord as ComparisonRecord
    from slmbench.records import CrossValidationRecord as CrossValidationRecord
    from slmbench.records import DecisionRecord as DecisionRecord
    from slmbench.records import EvaluationRecord as EvaluationRecord
    from slmbench.records import ProfileRecord as ProfileRecord
    from slmbench.records import Record as Record
    from slmbench.records import RunRecord as RunRecord
    from slmbench.records import ScoringRecord as ScoringRecord
    from slmbench.records import SweepRecord as SweepRecord
    from slmbench.records import TuningRecord as TuningRecord
    from slmbench.records import VerificationRecord as VerificationRecord
    from slmbench.records import VersusRecord as VersusRecord
    from slmbench.records.artefacts import open as open  # noqa: A004 - read as slmbench.open
    from slmbench.scoring.predicting import predict_files as predict_files
    from slmbench.serving import serve as serve
    from slmbench.starter import fetch as fetch

#: Where each name comes from at run time; a test compares it with the imports above, which type checkers read.
_HOMES = {
    "slmbench.common.errors": "SlmbenchError UsageError",
    "slmbench.compare": "compare",
    "slmbench.corpora": "Corpus load_corpus",
    "slmbench.deciding": "decide",
    "slmbench.edge": "Classifier",
    "slmbench.evaluation": "evaluate",
    "slmbench.evaluation.verify": "verify",
    "slmbench.export": "export",
    "slmbench.instruments.tuned": "tuned_settings",
    "slmbench.methods.cross_validation": "cross_validate",
    "slmbench.methods.fewshot": "fewshot",
    "slmbench.methods.training.adapt": "adapt",
    "slmbench.methods.training.finetune": "finetune",
    "slmbench.profiling": "profile",
    "slmbench.profiling.tuning": "tune",
    "slmbench.records": "BundleRecord CheckpointRecord ComparisonRecord CrossValidationRecord DecisionRecord"
    " EvaluationRecord"
    " ProfileRecord Record RunRecord ScoringRecord SweepRecord TuningRecord VerificationRecord VersusRecord",
    "slmbench.records.artefacts": "open",
    "slmbench.scoring.predicting": "predict_files",
    "slmbench.serving": "serve",
    "slmbench.starter": "fetch",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'slmbench' has no attribute '{name}'")
    from importlib import import_module

    # ``compare`` and ``export`` are packages as well: importing one has bound it here, and calling it runs the stage.
    found = getattr(import_module(_HOME_OF[name]), name)
    return globals().setdefault(name, found)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})

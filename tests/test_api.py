"""``import slmbench``: every stage as a function, imported on first use, in whatever order packages are imported."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import slmbench

STAGES = ["adapt", "compare", "evaluate", "export", "fetch", "fewshot", "finetune", "load_corpus", "profile", "tune"]
STAGES += ["verify", "open"]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_is_a_function_with_a_signature(name):
    assert name in dir(slmbench)
    stage = getattr(slmbench, name)
    assert callable(stage)
    assert getattr(slmbench, name) is stage
    parameters = inspect.signature(stage).parameters.values()
    assert not {"args", "kwargs"} & {parameter.name for parameter in parameters}


def test_type_checkers_and_the_interpreter_find_the_same_names():
    tree = ast.parse(Path(slmbench.__file__).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {alias.name: node.module for node in typed.body for alias in node.names}
    assert declared == slmbench._HOME_OF
    for name in declared:
        getattr(slmbench, name)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="'finetun'"):
        slmbench.finetun  # noqa: B018


def test_importing_it_loads_nothing():
    loaded = python("import slmbench, sys; dir(slmbench); print(*sys.modules)").split()
    assert {name for name in loaded if name.startswith("slmbench.")} <= {
        "slmbench.common",
        "slmbench.common.telemetry",
        "slmbench.common.version",
    }
    assert not {"numpy", "pydantic", "torch"} & set(loaded)


@pytest.mark.parametrize("name", ["export", "compare"])
@pytest.mark.parametrize(
    "imports",
    [
        "import slmbench; stage = slmbench.{0}",
        "import slmbench; slmbench.{0}; stage = slmbench.{0}",
        "from slmbench import {0} as stage",
        "import slmbench.{0}; stage = slmbench.{0}",
        "import slmbench.{0} as stage",
        "from slmbench.{0} import {0} as stage",
        "import slmbench; slmbench.{0}; import slmbench.{0}.__init__; stage = slmbench.{0}",
        "from slmbench.records import RunRecord; import slmbench; slmbench.{0}; from slmbench import {0} as stage",
    ],
)
def test_stages_that_share_a_package_s_name_are_called_in_every_order_of_imports(name, imports):
    code = imports.format(name) + (
        f"; from slmbench import SlmbenchError; from slmbench.{name} import {name}; from inspect import signature"
        f"; assert signature(stage) == signature({name})"
        "\ntry:\n    stage('nowhere')\nexcept SlmbenchError as error:\n    print(error)"
    )
    assert "nowhere" in python(code)


def test_modules_of_such_packages_are_reached_as_usual():
    python("import slmbench; slmbench.compare; import slmbench.compare.reading as reading; reading.load_profiles")
    python("import slmbench.export.bundling; import slmbench; slmbench.export.bundling.export; slmbench.export")


def test_options_are_plain_keywords(small_corpus_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = slmbench.finetune("tfidf", str(small_corpus_file), method="tfidf", seed=3, output="mine")
    assert (run.method, run.seed, run.path) == ("tfidf", 3, "mine")
    bundle = slmbench.export("mine", output="exported/mine")
    assert slmbench.open("exported/mine") == bundle
    evaluated = slmbench.evaluate("mine", str(small_corpus_file), output="evaluated")
    assert evaluated.training_rows_left_out == run.corpus.train_reviews + run.corpus.validation_reviews
    assert slmbench.verify("exported/mine").agrees


@pytest.mark.parametrize(
    ("stage", "options", "facts"),
    [
        ("finetune", {"epoch": 2}, ["epoch", "epochs"]),
        ("finetune", {"method": "tfdif"}, ["tfdif", "tfidf"]),
        ("fewshot", {}, ["cloze", "setfit"]),
        ("fewshot", {"method": "setfit", "shot": 2}, ["shot", "shots"]),
        ("adapt", {"epoch": 2}, ["epoch", "epochs"]),
    ],
)
def test_a_wrong_option_is_a_usage_error_with_a_suggestion(stage, options, facts):
    with pytest.raises(slmbench.UsageError) as refused:
        getattr(slmbench, stage)("bert-tiny", "imdb", **options)
    for fact in facts:
        assert fact in str(refused.value)

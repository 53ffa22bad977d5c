"""The Python of docs/edge.md, run as it stands there: the package, the vendored file alone."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slmbench.cascade import CascadeOptions, cascade
from slmbench.edge import Classifier, runtime

DOCS = Path(__file__).parents[2] / "docs/edge.md"
BUNDLE = "exported/bert-tiny-imdb"
TEXTS = ["A superb film.", "Two hours I want back."]
#: What the vendored file needs.
NEEDED = ("numpy", "onnxruntime", "tokenizers")
ABSENT = ("slmbench", "torch", "pydantic", "transformers", "scipy", "huggingface_hub", "onnx")


def example(containing):
    """Return the one Python example of the page that contains a line."""
    examples = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = (code for code in examples if f"\n{containing}\n" in f"\n{code}")
    return found


@pytest.fixture
def app(tiny_bundle, tmp_path):
    """The folder of an app, with a bundle where the examples look for one."""
    shutil.copytree(tiny_bundle, tmp_path / "app" / BUNDLE)
    return tmp_path / "app"


@pytest.fixture
def bare(app, tmp_path):
    """Run Python that sees the standard library and the vendored file's needs, nothing else."""
    site = tmp_path / "site"
    site.mkdir()
    for name in NEEDED:
        (package,) = importlib.util.find_spec(name).submodule_search_locations
        for folder in (Path(package), Path(f"{package}.libs")):  # shared libraries lie beside
            if folder.is_dir():
                try:
                    (site / folder.name).symlink_to(folder)
                except OSError as error:
                    pytest.skip(f"no symbolic links here: {error}")
    shutil.copy(runtime.__file__, app / "slmbench_edge.py")

    def run(code):
        # -S: no site-packages, not even the editable install of slmbench; -s: none of the user's.
        words = [sys.executable, "-S", "-s", "-c", code]
        return subprocess.run(
            words, cwd=app, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True
        )

    return run


def said(predictions):
    return [f"{label} {round(score, 3)} {scores}" for label, score, scores in predictions]


def test_the_example_with_the_package(app, tiny_bundle):
    code = example('for prediction in classifier.predict(["A superb film.", "Two hours I want back."]):')
    done = subprocess.run([sys.executable, "-c", code], cwd=app, capture_output=True, text=True)
    assert done.stdout.splitlines() == said(Classifier(tiny_bundle).predict(TEXTS)), done.stderr


def test_the_example_of_a_tuned_bundle(app):
    code = example("from slmbench import Classifier, tuned_settings") + "print(classifier.predict('good')[0].label)"
    done = subprocess.run([sys.executable, "-c", code], cwd=app, capture_output=True, text=True)
    assert done.stdout.strip() in ("negative", "positive"), done.stderr


def test_the_example_with_the_vendored_file(bare, tiny_bundle):
    done = bare(example("from slmbench_edge import Classifier, SlmbenchError"))
    assert done.stdout.splitlines() == said(Classifier(tiny_bundle, threads=1).predict(TEXTS)), done.stderr
    assert done.stderr == ""


def test_the_vendored_file_was_alone(bare):
    report = (
        "import importlib.util, slmbench_edge\n"
        f"print([name for name in {(*NEEDED, *ABSENT)} if importlib.util.find_spec(name)])\n"
        "print(slmbench_edge.SlmbenchError.__module__, slmbench_edge.UsageError.__mro__[1].__module__)"
    )
    assert bare(report).stdout.splitlines() == [str(list(NEEDED)), "slmbench_edge slmbench_edge"]


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_the_vendored_file_says_what_is_wrong(bare, app, damage):
    tokenizer = app / BUNDLE / "tokenizer.json"
    if damage == "missing":
        tokenizer.unlink()
    else:
        tokenizer.write_text(tokenizer.read_text().replace("good", "bood"))
    done = bare(example("from slmbench_edge import Classifier, SlmbenchError"))
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"the classifier cannot be loaded: {Path(BUNDLE) / 'tokenizer.json'} is ")


@pytest.mark.parametrize("kind", ["floor", "static", "cascade"])
def test_the_vendored_file_runs_every_kind_of_bundle(bare, app, floor_bundle, static_bundle, tiny_bundle, kind):
    bundle = static_bundle if kind == "static" else floor_bundle
    if kind == "cascade":
        bundle = app.parent / "both"
        cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=bundle)
    shutil.copytree(bundle, app / kind)
    code = "from slmbench_edge import Classifier\nfor label, score, scores in Classifier({!r}).predict({!r}):\n"
    done = bare(code.format(kind, TEXTS) + "    print(label, round(score, 3), scores)")
    assert done.stdout.splitlines() == said(Classifier(bundle).predict(TEXTS)), done.stderr

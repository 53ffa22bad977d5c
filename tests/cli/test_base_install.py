"""Without the extras: what a device needs works, the rest says which extra it needs."""

import json

import pytest
from cli_helpers import json_of, run_apart

#: Put on the path as ``sitecustomize``, it makes the modules of every extra impossible to find.
HIDING = """
import sys

ABSENT = {
    "torch", "transformers", "sklearn", "pandas", "datasets", "optimum", "peft", "matplotlib", "pyarrow",
    "accelerate", "onnx", "safetensors", "sentencepiece", "huggingface_hub", "codecarbon",
    "pynvml", "uvicorn",
}


class Without:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else self._finder.find_spec(name, path, target)

    def find_distributions(self, *args, **kwargs):
        for found in getattr(self._finder, "find_distributions", lambda *a, **k: ())(*args, **kwargs):
            if found.metadata["Name"].lower().replace("-", "_") not in ABSENT | {"scikit_learn", "optimum_onnx"}:
                yield found

    def __getattr__(self, name):
        return getattr(self._finder, name)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


@pytest.fixture
def base_install(here, tmp_path):
    """Run a command as in an environment with the base install only."""
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/sitecustomize.py").write_text(HIDING, encoding="utf-8")
    return lambda *words, **more: run_apart(*words, cwd=here, PYTHONPATH=str(tmp_path / "hiding"), **more)


def test_profile_compare_and_predict_work(base_install, here, tiny_bundle, floor_bundle):
    profiled = json_of(
        base_install("profile", tiny_bundle, floor_bundle, "--processes", 1, "--time-limit", 0.3, "--json")
    )
    compared = json_of(base_install("compare", "--json"))
    predicted = [base_install("predict", bundle, "superb, the best") for bundle in (tiny_bundle, floor_bundle)]

    assert profiled["failed"] == []
    assert len(profiled["profiles"]) == 3
    assert not {"torch", "transformers", "scikit-learn"} & profiled["profiles"][0]["software"].keys()
    assert len(compared["rows"]) == 3
    assert compared["recommended"]
    report = here / "comparisons/latest"
    assert sorted(file.name for file in report.iterdir()) == [
        *("comparison.json", "report.html", "report.md", "rows.csv")
    ]
    assert "slmbench[report]" in (report / "report.md").read_text(encoding="utf-8")
    for result in predicted:
        assert json.loads(result.stdout)["label"] == "positive"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("finetune", "--model", "{base}", "--corpus", "{corpus}"), "needs the 'train' extra"),
        (("finetune", "--method", "tfidf", "--corpus", "{corpus}"), "needs the 'train' extra"),
        (("serve", "{bundle}"), "serving a bundle needs the 'serve' extra"),
        (("export", "{run}"), "exporting needs the 'train' extra"),
        (("export", "{floor}"), "exporting needs the 'train' extra"),
        (("finetune", "--method", "tfidf", "--corpus", "someone/reviews"), "needs the 'train' extra"),
        (("predict", "{bundle}", "--input", "{parquet}"), "Parquet and Arrow files needs the 'parquet' extra"),
    ],
)
def test_what_needs_an_extra_says_which(
    base_install, here, tmp_path, tiny_base, small_corpus_file, tiny_run, floor_run, tiny_bundle, words, says
):
    (tmp_path / "texts.parquet").write_bytes(b"PAR1")
    places = {
        "base": tiny_base,
        "corpus": small_corpus_file,
        "run": tiny_run,
        "floor": floor_run,
        "bundle": tiny_bundle,
        "parquet": tmp_path / "texts.parquet",
    }

    result = base_install(*(word.format(**places) for word in words), "--quiet")

    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert says in sentence
    assert "pip install 'slmbench[" in sentence
    assert list(here.iterdir()) == []

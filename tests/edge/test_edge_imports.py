"""The runtime an app embeds loads nothing but numpy, onnxruntime and tokenizers."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "scipy", "pydantic", "pandas", "sklearn", "optimum", "datasets", "typer", "rich")


def modules_after(code, *arguments):
    """Run code in a fresh interpreter and return the top-level modules it has loaded."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_runtime():
    loaded = modules_after("import slmbench.edge")
    assert not loaded & {*HEAVY, "psutil"}
    assert {"numpy", "slmbench"} <= loaded


@pytest.mark.parametrize("bundle", ["tiny_bundle", "floor_bundle"])
def test_classifying(bundle, request):
    code = "import sys; from slmbench.edge import Classifier; print(Classifier(sys.argv[1]).predict(['a good film']))"
    loaded = modules_after(code, str(request.getfixturevalue(bundle)))
    assert not loaded & {*HEAVY, "psutil"}
    assert ("onnxruntime" in loaded) == (bundle == "tiny_bundle")

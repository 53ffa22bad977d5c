"""The runtime an app embeds loads nothing but numpy, onnxruntime and tokenizers."""

import pytest
from loaded_modules import HEAVY, modules_after


def test_importing_the_runtime():
    loaded = modules_after("import slmbench.edge")
    assert not loaded & {*HEAVY, "psutil"}
    assert {"numpy", "slmbench"} <= loaded


@pytest.mark.parametrize("bundle", ["tiny_bundle", "floor_bundle", "static_bundle"])
def test_classifying(bundle, request):
    code = "import sys; from slmbench.edge import Classifier; print(Classifier(sys.argv[1]).predict(['a good film']))"
    loaded = modules_after(code, str(request.getfixturevalue(bundle)))
    assert not loaded & {*HEAVY, "psutil"}
    assert ("onnxruntime" in loaded) == (bundle == "tiny_bundle")

"""The JavaScript of docs/edge.md, run as it stands there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from javascript_runtimes import HERE, PATIENCE, missing

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/edge.md"


def test_the_example_for_node(tmp_path):
    if reason := missing():
        pytest.skip(reason)
    (code,) = re.findall(r"^```js\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "classify.mjs").write_text(code, encoding="utf-8")
    shutil.copy(HERE / "cutting.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    shutil.copytree(ROOT / "exported/bert-tiny-imdb", tmp_path / "exported/bert-tiny-imdb")
    done = subprocess.run(
        ["node", "classify.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("label: 'positive'") == done.stdout.count("label: 'negative'") == 2

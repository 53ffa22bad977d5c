"""The JavaScript of docs/edge.md, run as it stands there."""

import json
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


CHECK = """
import { readFileSync } from 'node:fs';
import { checkBundle } from './cutting.mjs';
try { checkBundle(JSON.parse(readFileSync(0, 'utf8'))); } catch (error) { console.log(error.message); }
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("tiny_bundle", {}, ""),
        ("floor_bundle", {}, "TF-IDF"),
        ("tiny_bundle", {"runtime": "cascade"}, "cascade"),
        ("tiny_bundle", {"long_texts": "windows"}, "windows"),
    ],
)
def test_what_transformers_js_cannot_run_is_said(kind, changes, says, request):
    document = json.loads((request.getfixturevalue(kind) / "bundle.json").read_text(encoding="utf-8"))
    done = subprocess.run(
        ["node", "--input-type=module", "-e", CHECK],
        input=json.dumps(document | changes),
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert (says in done.stdout) and bool(done.stdout) == bool(says)
    assert not says or "slmbench.edge" in done.stdout

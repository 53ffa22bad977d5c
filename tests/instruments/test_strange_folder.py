"""Commands run in folders of strangers: no Python they start imports a module from there."""

import sys

import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import SILENT
from slmbench.instruments.children import ChildProcess, ask_child
from slmbench.starter.items import Wheel
from slmbench.starter.pip_download import download

#: Modules that Python, slmbench or pip import.
MODULES = (
    "types",
    "random",
    "json",
    "struct",
    "site",
    "numpy",
    "pip",
    "onnxruntime",
    "tokenizers",
    "slmbench",
    "_pickle",
)


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """Be in a folder whose modules say so when they are imported; gives the file that they would write."""
    told = tmp_path / "told"
    folder = tmp_path / "strange"
    (folder / "slmbench").mkdir(parents=True)
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write({name!r})\n")
    (folder / "slmbench/__init__.py").write_text(f"open({str(told)!r}, 'a').write('slmbench')\n")
    monkeypatch.chdir(folder)
    return told


@pytest.mark.parametrize("module", MODULES)
def test_children_import_nothing_from_the_folder(strange, module):
    code = (
        f"import json, sys; import {module}; sys.stdin.readline(); print(json.dumps({module}.__name__), flush=True)"
    )
    with ChildProcess(("-c", code), what="the child") as child:
        assert child.ask({}, 60) == module
    assert not strange.exists()


def test_modules_run_as_children_are_not_from_the_folder(strange):
    (strange.parent / "strange/slmbench/child.py").write_text("print(1)")
    with pytest.raises(SlmbenchError, match="slmbench"):
        ask_child("slmbench.child", {}, what="the child", threads=1, limit_s=60)
    assert not strange.exists()


def test_pip_is_not_from_the_folder(strange, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SlmbenchError, match="nothing-here"), SILENT.task("fetching", 1, "bytes") as task:
        download(Wheel("nothing-here", "1.0", 1, "0" * 64), tmp_path, task)
    assert not strange.exists()


def test_the_test_itself_would_tell(strange):
    """Without the safe path the folder is the first place that Python looks in."""
    import subprocess

    subprocess.run([sys.executable, "-c", "import random"], check=False, capture_output=True)
    assert "random" in strange.read_text()

"""Ctrl-C and SIGTERM at the beginning of a command: while its modules are imported and its options are read."""

import os
import signal
import subprocess
import sys

import pytest
from faults_helpers import ENDINGS, check_ending

#: Sends the process a signal when a module is looked for.
AT_IMPORT = """
import os, sys
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Sender())
"""
PROGRAM = "import sys; sys.argv = ['slmbench', *sys.argv[1:]]\nfrom slmbench.cli.entry import main; {before}\nmain()"
#: In the order in which a command loads them: at once, when options are read, in the command, in the library.
MODULES = [
    "slmbench.cli.app",
    "typer",
    "slmbench.cli.signals",
    "slmbench.cli.verify",
    "slmbench.records",
    "numpy",
    "pydantic",
    "onnxruntime",
]


def begin(code, *words, **others):
    # A shell that runs the tests in the background has them ignore interruptions.
    usual = (
        {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)} if os.name != "nt" else {}
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, **usual, **others)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends processes no signals")
@pytest.mark.parametrize("number", ENDINGS)
@pytest.mark.parametrize("name", MODULES)
def test_a_signal_while_modules_are_imported(tiny_bundle, name, number):
    code = AT_IMPORT.format(name=name, number=int(number)) + PROGRAM.format(before="")
    done = begin(code, "verify", tiny_bundle)
    check_ending(number, done.returncode, done.stderr)
    assert len(done.stderr.splitlines()) == 1 or name in ("numpy", "pydantic", "onnxruntime")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends processes no signals")
def test_a_signal_before_a_command_begins_and_after_it_has_ended():
    interrupt = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    reading = "import slmbench.cli.command as p, slmbench.cli.app as a; p.Command.parse_args = "
    code = PROGRAM.format(before=f"{reading} lambda *_: exec({interrupt!r})")
    done = begin(code, "verify", "bundle")
    check_ending(signal.SIGINT, done.returncode, done.stderr)
    code = PROGRAM.format(before=f"import atexit; atexit.register(lambda: exec({interrupt!r}))")
    done = begin(code, "verify", "--help")
    check_ending(signal.SIGINT, done.returncode, done.stderr)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends processes no signals")
def test_an_interruption_that_is_ignored_stays_ignored():
    ignored = PROGRAM.format(before="import signal; print(signal.getsignal(2) is signal.SIG_IGN)")
    command = [sys.executable, "-c", ignored, "--version"]
    done = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "True")

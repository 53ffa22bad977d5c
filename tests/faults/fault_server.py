"""Runs commands in forks of a process that has loaded the libraries, and kills them where it is told.

It reads one JSON request a line from stdin and answers each with the exit status, negative for a signal:
``words`` of the command, ``cwd``, ``home`` (SLMBENCH_HOME), ``environment``, ``said`` (file for stdout and stderr),
``code`` (Python that is run first) and, to be killed, ``signal`` with ``at``: ["event", n] is before the n-th file
operation, ["renamed", n] after the n-th renaming, ["child", seconds] so long after a child process was started.
``events`` is a file to list the operations in.
"""

import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

#: Audit events (PEP 578) that change a disk.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


#: What commands load; a fork has it at once.
LOADED = (
    "slmbench",  # before libraries that would report their use
    "matplotlib.pyplot",
    "onnxruntime.quantization",
    "optimum.exporters.onnx",
    "optimum.onnxruntime",
    "sklearn.linear_model",
    "torch",
    "transformers.models.bert.modeling_bert",
    "transformers.trainer",
    "slmbench.cli.app",
    "slmbench.export.exporter",
    "slmbench.methods.training",
    "slmbench.recipes",
)


class Killer:
    """Counts what a process does to its disk, and kills it in the middle."""

    def __init__(self, request):
        self.at, self.number = request.get("at"), request.get("signal")
        self.roots = (request["cwd"], request["home"])
        self.log = request.get("events")
        self.events = self.renamed = 0
        sys.addaudithook(self.hook)
        for name in ("rename", "replace"):
            setattr(os, name, self.watched(getattr(os, name)))

    def hook(self, event, args):
        if event == "subprocess.Popen" and self.at and self.at[0] == "child":
            seconds, self.at = self.at[1], None
            threading.Timer(seconds, self.kill).start()
        if event == "open":
            path, mode, flags = args
            writes = any(letter in mode for letter in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
            if not writes or not isinstance(path, (str, bytes)):
                return
        elif event in CHANGES:
            path = args[0]
        else:
            return
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith(self.roots):
            return
        self.events += 1
        self.note(event, path)
        if self.at == ["event", self.events]:
            self.kill()

    def watched(self, rename):
        def renaming(source, target, **others):
            rename(source, target, **others)
            if os.path.abspath(os.fsdecode(target)).startswith(self.roots):
                self.renamed += 1
                self.note("renamed", target)
                if self.at == ["renamed", self.renamed]:
                    self.kill()

        return renaming

    def note(self, what, path):
        if self.log:
            with Path(self.log).open("a", encoding="utf-8") as log:
                log.write(f"{what}\t{path}\n")

    def kill(self):
        # A terminal interrupts a command with all its processes; what else ends it reaches it alone.
        (os.killpg if self.number == signal.SIGINT else os.kill)(os.getpid(), self.number)


def run(request):
    """Run a command in this process, a fork, and end it."""
    os.setsid()
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(request["cwd"])
    os.environ.update(request.get("environment", {}), SLMBENCH_HOME=request["home"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exec(request.get("code") or "", {})
    if request.get("signal") or request.get("events"):
        Killer(request)
    from slmbench.cli.app import app

    sys.argv = ["slmbench", *request["words"]]
    app(prog_name="slmbench")


def main():
    for module in LOADED:
        importlib.import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            run(request)
            raise SystemExit
        _, status = os.waitpid(child, 0)
        print(json.dumps([child, os.waitstatus_to_exitcode(status)]), flush=True)


if __name__ == "__main__":
    main()

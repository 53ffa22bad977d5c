"""One command in several processes, as ``torchrun`` starts them; its modules are imported once for all."""

import multiprocessing
import os
import signal
import socket
import sys
from typing import NamedTuple

# Modules are imported before the command begins, which says this otherwise (``slmbench.methods.ranks``).
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
_CONTEXT = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
if os.name != "nt":
    _CONTEXT.set_forkserver_preload(["slmbench.methods.training.trainer", "transformers.trainer", "peft", "sklearn"])


class Rank(NamedTuple):
    """How one process ended: its status, what it said, and what it wrote or renamed."""

    status: int
    said: str
    written: list[str]


def run_ranks(folder, *words, count=2, dies_at=None):
    """Run ``slmbench`` with words in a folder as several processes; returns their :class:`Rank` in order.

    Args:
        folder: Where they run, and where what they say is kept.
        *words: The command.
        count: Number of processes.
        dies_at: Step at which the last process is killed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(count):
        environment = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": count,
            "LOCAL_WORLD_SIZE": count,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "SLMBENCH_HOME": os.environ["SLMBENCH_HOME"],
        }
        given = (rank, folder, [str(word) for word in words], environment, dies_at if rank == count - 1 else None)
        started.append(_CONTEXT.Process(target=_run, args=given))
        started[-1].start()
    ended = []
    for rank, process in enumerate(started):
        process.join(timeout=300)
        assert process.exitcode is not None, f"process {rank} hangs"
        said, written = ((folder / f"{what}-{rank}.txt").read_text(encoding="utf-8") for what in ("said", "written"))
        ended.append(Rank(process.exitcode, said, written.splitlines()))
    return ended


def _run(rank, folder, words, environment, dies_at):
    os.environ.update({name: str(value) for name, value in environment.items()})
    os.chdir(folder)
    said = os.open(f"said-{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if dies_at is not None:
        _die_at(dies_at)
    _note_writing(f"written-{rank}.txt")
    sys.argv = ["slmbench", *words]
    from slmbench.cli.entry import main

    main()


def _die_at(step):
    from transformers import Trainer

    usual, steps = Trainer.training_step, []

    def training_step(*args, **kwargs):
        steps.append(1)
        if len(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(*args, **kwargs)

    Trainer.training_step = training_step


def _note_writing(name):
    file = open(name, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends

    def note(event, args):
        writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
        if writes or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            print(event, args[0], file=file, flush=True)

    sys.addaudithook(note)

"""Training on several devices: the only module that knows that one command was started as several processes.

``torchrun`` and ``accelerate launch`` start the same command once for each device. The first process does what the
command does. The others read no corpus, write nothing and print nothing: they wait for trainings (:func:`on_all`) and
take part in them until the first process is done (:func:`together`).

In a training every process reads the same batches and learns from its own rows of each, so batches, losses and the
number of steps are those of one process. torch's DistributedDataParallel, which the Trainer sets up, averages the
gradients.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.progress import SILENT, Progress
from slmbench.methods.known_methods import METHODS
from slmbench.methods.options import MethodOptions

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.utils.data import DataLoader

Result = TypeVar("Result")

#: How long processes wait for one another within a training; the longest thing there is writing a checkpoint.
STEP_LIMIT = timedelta(minutes=10)
#: How long they wait for the next training, while the first one reads, labels and tests. When it dies they notice.
IDLE_LIMIT = timedelta(days=30)
#: Column of a batch: by what this process multiplies the mean loss of its rows.
SHARE = "share_of_batch"
#: Where torch's launchers say which process this is; accelerate reads them as well.
_LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
#: What accelerate's launcher hands over, and slmbench decides by options of its own.
_DECIDED_HERE = ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_CPU")
#: Ways of accelerate to divide a model, with what its launcher sets for them.
_DIVIDED = {"FSDP": "ACCELERATE_USE_FSDP", "DeepSpeed": "ACCELERATE_USE_DEEPSPEED"}


class _Company:
    """The processes that train together; there is none outside of :func:`together`."""

    def __init__(self, messages: ProcessGroup) -> None:
        self._messages = messages
        self.trainings = 0
        self.is_training = False

    def message(self, message: Any = None) -> Any:
        """Send a message from the first process to the others; returns it in all of them."""
        import torch

        box = [message]
        torch.distributed.broadcast_object_list(box, src=0, group=self._messages, device=torch.device("cpu"))
        return box[0]


class _Training(NamedTuple):
    """A call for all processes."""

    function: Callable[..., Any]
    positional: list[Any]
    named: dict[str, Any]


class _Chosen(NamedTuple):
    """The options of a method, without their declarations, which cannot be sent."""

    method: str
    given: dict[str, Any]
    seed: int


_company: _Company | None = None


def launched() -> int:
    """Return how many processes the launcher says there are; 1 without a launcher."""
    return int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() else 1


def rank() -> int:
    """Return this process's number among those that the launcher started; 0 is the first."""
    return int(os.environ["RANK"]) if launched() > 1 else 0


def check_command(name: str) -> None:
    """Check that a command that was launched as several processes is one that trains together.

    Args:
        name: The command.

    Raises:
        UsageError: It is another one, in the first process.
        SystemExit: It is another one, in any other process.
    """
    if launched() > 1 and name != "finetune":
        _refuse(f"slmbench {name} runs in one process: start it without a launcher; finetune takes several")


def _refuse(sentence: str) -> NoReturn:
    """End all processes with a sentence of the first one."""
    if rank():
        raise SystemExit(UsageError.exit_code)
    raise UsageError(sentence)


def processes() -> int:
    """Return how many processes take part in a training that begins now."""
    return launched() if _company else 1


@contextmanager
def together(progress: Progress) -> Iterator[bool]:
    """Within the block the first process may train with the others, which are done with it when the block begins.

    Args:
        progress: Told when there was nothing to train together.

    Yields:
        Whether this is the first process, which does the command.

    Raises:
        SlmbenchError: A process ended.
        UsageError: The launcher is configured to divide the model.
        SystemExit: The first process failed, and has said why.
    """
    global _company
    count = launched()
    if count == 1:
        yield True
        return
    for name, setting in _DIVIDED.items():
        if os.environ.get(setting, "").lower() in ("1", "true", "yes"):
            _refuse(
                f"accelerate is configured for {name}, which divides the model: slmbench gives each device the whole"
                " model, so use a configuration without it, or torchrun"
            )
    require_extra("torch", "train", "training in several processes")
    # Or each process says that the gradient of every weight was needed; torch reads it when it is imported.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    import torch

    with _lost_process_explained():
        both = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(both, timeout=STEP_LIMIT)
        messages = torch.distributed.new_group(backend="gloo", timeout=IDLE_LIMIT)
    _company = _Company(messages)
    try:
        if rank():
            _take_part(_company)
            torch.distributed.destroy_process_group()
            yield False
            return
        try:
            yield True
        except BaseException:
            # Within a training the others listen to nothing but its steps, and notice that this process ends.
            if not _company.is_training:
                with suppress(RuntimeError):
                    _company.message("failed")
            raise
        if not _company.trainings:
            progress.say(f"nothing was trained together: {count - 1} of {count} processes had nothing to do")
        with _lost_process_explained():
            _company.message("done")
        torch.distributed.destroy_process_group()
    finally:
        _company = None


def _take_part(company: _Company) -> None:
    """Train what the first process asks for, until it is done."""
    from slmbench.models.quiet import quiet_libraries

    with quiet_libraries():
        while True:
            with _lost_process_explained():
                message = company.message()
            if message == "failed":
                raise SystemExit(1)
            if message == "done":
                return
            positional = [
                METHODS[one.method].choose(one.given, seed=one.seed) if isinstance(one, _Chosen) else one
                for one in message.positional
            ]
            with _lost_process_explained():
                message.function(*positional, progress=SILENT, **message.named)


def on_all(
    function: Callable[..., Result], *positional: Any, device: str, progress: Progress, **named: Any
) -> Result:
    """Call a function that trains in all processes; the others get copies of its arguments.

    Args:
        function: A function of a module.
        *positional: Its arguments.
        device: Its argument of that name: the kind of device that all processes train on.
        progress: Its argument of that name; other processes than the first report nothing.
        **named: Further arguments.

    Returns:
        What it returns in this process.

    Raises:
        SlmbenchError: Another process ended, or does not answer any more.
        UsageError: There are more processes than devices, or the kind cannot be used together.
    """
    import torch

    named["device"] = device
    if _company is None:
        return function(*positional, progress=progress, **named)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", launched()))
    if device == "cuda" and here > torch.cuda.device_count():
        raise UsageError(f"{here} processes, and {torch.cuda.device_count()} GPUs: start one for each GPU")
    if device not in ("cpu", "cuda"):
        raise UsageError(
            f"several processes train together on cpu or cuda, not on {device}: use --device cpu, or one"
        )
    sent = [
        _Chosen(one.method, dict(one.given), one.seed) if isinstance(one, MethodOptions) else one
        for one in positional
    ]
    _company.trainings += 1
    with _lost_process_explained():
        _company.message(_Training(function, sent, named))
        _company.is_training = True
        result = function(*positional, progress=progress, **named)
    _company.is_training = False
    return result


def check_resumed(checkpoint: str | None) -> None:
    """Check that all processes go on from the same checkpoint.

    Args:
        checkpoint: What this process has found.

    Raises:
        SlmbenchError: The first process has found another one.
    """
    if _company is None:
        return
    of_first = _company.message(checkpoint)
    if checkpoint != of_first:
        raise SlmbenchError(
            f"process {rank()} does not find the checkpoint that the first one resumes, {of_first}: put --output on a"
            " file system that all machines share"
        )


@contextmanager
def _lost_process_explained() -> Iterator[None]:
    """Turn what torch raises when another process is lost into a sentence."""
    from torch.distributed import DistError

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, DistError) and "gloo" not in str(error).lower():
            raise
        raise SlmbenchError(
            f"another of the {launched()} processes that train together ended or no longer answers: see what it said,"
            " and run the same command again, which goes on after the last complete epoch"
        ) from error


@contextmanager
def seen_by_trainer(device: str) -> Iterator[None]:
    """Within the block, accelerate sees the processes that train together and nothing else of a launcher.

    Outside of :func:`together` there is one process for it, however many were started. Precision and device are
    options here; accelerate would take over the precision of an earlier training in the same process as well.

    Args:
        device: Where the training will be.
    """
    # accelerate's own name for it, cpu:0, is none that torch restores the optimizer's state to.
    shown = {"ACCELERATE_TORCH_DEVICE": "cpu"} if _company and device == "cpu" else {}
    hidden = {} if _company else {name: os.environ.pop(name) for name in _LAUNCHED if name in os.environ}
    for name in _DECIDED_HERE:
        os.environ.pop(name, None)
    os.environ.update(shown)
    try:
        yield
    finally:
        os.environ.update(hidden)
        for name in shown:
            del os.environ[name]


def own_rows(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return a loader of training batches that collates this process's rows of each.

    A batch gets the entry :data:`SHARE`, n k / N with n of its N rows here and k processes: the mean over processes
    of n k / N times the mean loss of the n rows is the mean loss of the N rows. A process for which a batch has no
    row takes one along with the factor 0. The order of the rows is drawn in the first process.

    Args:
        loader: Loads whole batches, or is one that accelerate has divided in its own way.

    Returns:
        The loader; the same one where this process trains alone.
    """
    if _company is None:
        return loader
    import torch
    from torch.utils.data import DataLoader

    if rank():  # dropout leaves out other units than in the first process
        torch.manual_seed(torch.initial_seed() + rank())
    batches = loader.batch_sampler
    whole = getattr(batches, "batch_sampler", batches)  # within accelerate's
    collate = _Own(loader.collate_fn, rank(), launched())
    return DataLoader(
        loader.dataset, batch_sampler=_SameBatches(_company, whole), collate_fn=collate, pin_memory=loader.pin_memory
    )


class _SameBatches:
    """The batches that the first process draws, in all processes."""

    def __init__(self, company: _Company, batches: Any) -> None:
        self._company = company
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        # Not drawn before the loader has drawn its own seed: the order is that of a training in one process.
        yield from self._company.message(None if rank() else list(self._batches))


class _Own:
    """Collates every k-th row of a batch: neighbours are of about the same length."""

    def __init__(self, collate: Callable[[list[Any]], dict[str, Any]], first: int, step: int) -> None:
        self._collate = collate
        self._first = first
        self._step = step

    def __call__(self, rows: list[Any]) -> dict[str, Any]:
        own = rows[self._first :: self._step]
        return {**self._collate(own or rows[:1]), SHARE: len(own) * self._step / len(rows)}

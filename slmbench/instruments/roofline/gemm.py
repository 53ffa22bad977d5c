"""The child process that times products of square matrices with every installed library; the shortest time counts.

A ceiling is the best that the machine can do, so it is the shortest of many calls, not the median: other work on the
machine can only make a call longer.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.instruments.pipe import RequestPipe
from slmbench.records.roofline import GemmTiming, Precision

if TYPE_CHECKING:
    #: Makes the call that is timed for matrices of a size.
    Prepare = Callable[[int], Callable[[], object]]


#: Rows and columns: from what fits into a core's cache to what keeps all cores busy.
_SIZES = {"cpu": (256, 512, 1024, 2048), "cuda": (1024, 2048, 4096, 8192)}
_MIN_CALLS = 3
_SECONDS_A_SIZE = 0.3
#: When a call takes longer than this, larger matrices are not tried: the precision is emulated, or the machine slow.
_SLOW_S = 1.0


def main() -> None:
    """Answer requests: ``device``, ``threads``, and optionally ``sizes`` in place of the default ones."""
    pipe = RequestPipe()
    for request in pipe:
        device = request["device"]
        timings = measure(device, request["threads"], tuple(request.get("sizes") or _SIZES[device]))
        pipe.answer([timing.model_dump(mode="json") for timing in timings])


def measure(device: str, threads: int, sizes: tuple[int, ...]) -> list[GemmTiming]:
    """Time products of every library, precision and size.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: Threads of each library; numpy's were set by the environment of this process.
        sizes: Rows and columns, ascending.
    """
    timings = []
    for library, version, precision, prepare in _ways(device, threads):
        for size in sizes:
            calls, best = _time(prepare(size))
            timings.append(
                GemmTiming(library=library, version=version, precision=precision, size=size, best_s=best, calls=calls)
            )
            if best > _SLOW_S:
                break
    return timings


def _ways(device: str, threads: int) -> Iterator[tuple[str, str, Precision, Prepare]]:
    if device == "cpu":
        import onnxruntime

        yield f"numpy ({_blas()})", np.__version__, "fp32", _numpy
        yield "onnxruntime", onnxruntime.__version__, "fp32", lambda size: _onnxruntime(size, threads, integer=False)
        yield "onnxruntime", onnxruntime.__version__, "int8", lambda size: _onnxruntime(size, threads, integer=True)
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    from slmbench.instruments.devices import choose_device

    torch.set_num_threads(threads)
    choose_device(device)
    precisions: tuple[Precision, ...] = ("fp32", "bf16") if device == "cpu" else ("fp32", "bf16", "fp16")
    for precision in precisions:
        yield "torch", torch.__version__, precision, lambda size, p=precision: _torch(size, device, p)  # type: ignore[misc]


def _time(call: Callable[[], object]) -> tuple[int, float]:
    """Return how many calls were timed, and the shortest, in seconds."""
    call()
    calls, best, began = 0, float("inf"), time.perf_counter()
    while calls < _MIN_CALLS or time.perf_counter() - began < _SECONDS_A_SIZE:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return calls, best


def _blas() -> str:
    """Return the name of the library that numpy multiplies with."""
    configuration: Any = np.show_config(mode="dicts")
    blas = configuration.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown BLAS')} {blas.get('version', '')}".strip()


def _numpy(size: int) -> Callable[[], object]:
    left, right = _floats(size), _floats(size)
    result = np.empty_like(left)
    return lambda: np.matmul(left, right, out=result)


def _onnxruntime(size: int, threads: int, *, integer: bool) -> Callable[[], object]:
    """MatMul, or MatMulInteger of unsigned activations with signed weights as dynamic int8 uses it."""
    import onnxruntime

    generator = np.random.default_rng(0)
    if integer:
        left = generator.integers(0, 255, (size, size), dtype=np.uint8)
        weights = generator.integers(-127, 127, (size, size), dtype=np.int8)
        model = product_model("MatMulInteger", weights, left="uint8", result="int32")
        result = np.empty((size, size), dtype=np.int32)
    else:
        left, result = _floats(size), _floats(size)
        model = product_model("MatMul", _floats(size), left="float32", result="float32")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # Bound to one array: a new result at every call would add the time of allocating its memory.
    binding = session.io_binding()
    held = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in (left, result)]
    binding.bind_ortvalue_input("left", held[0])
    binding.bind_ortvalue_output("result", held[1])

    def call() -> list[Any]:
        session.run_with_iobinding(binding)
        return held  # keeps the arrays alive: a binding holds addresses only

    return call


def _torch(size: int, device: str, precision: Precision) -> Callable[[], object]:
    import torch

    from slmbench.instruments.devices import torch_type

    kind = torch_type(precision)
    left, right = (torch.rand((size, size), device=device, dtype=torch.float32).to(kind) for _ in range(2))
    result = torch.empty_like(left)

    def call() -> None:
        torch.mm(left, right, out=result)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def _floats(size: int) -> np.ndarray:
    return np.random.default_rng(0).random((size, size), dtype=np.float32)


_ELEMENT_TYPE = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}
#: What every onnxruntime since 1.19 reads, and has MatMulInteger.
_IR_VERSION = 8
_OPSET = 17


def product_model(operator: str, weights: np.ndarray, *, left: str, result: str) -> bytes:
    """Return a model ``result = operator(left, weights)`` whose second factor is a constant, as in a classifier.

    It is written byte by byte: the base install has onnxruntime, and no ``onnx`` to write with. Field numbers are
    those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, the encoding is that of protocol buffers
    (https://protobuf.dev/programming-guides/encoding/).

    Args:
        operator: ``MatMul`` or ``MatMulInteger``.
        weights: Constant square matrix, float32 or int8.
        left: Element type of the input ``left``, which has the shape of the weights.
        result: Element type of the output ``result``.
    """
    size = weights.shape[0]
    node = _text(1, "left") + _text(1, "weights") + _text(2, "result") + _text(4, operator)
    tensor = (
        _number(1, size)
        + _number(1, size)
        + _number(2, _ELEMENT_TYPE[weights.dtype.name])
        + _text(8, "weights")
        + _bytes(9, weights.tobytes())
    )
    graph = (
        _bytes(1, node)
        + _text(2, "product")
        + _bytes(5, tensor)
        + _bytes(11, _matrix("left", left, size))
        + _bytes(12, _matrix("result", result, size))
    )
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, _OPSET))


def _matrix(name: str, element_type: str, size: int) -> bytes:
    """Return a ValueInfoProto of a square matrix."""
    dimension = _bytes(1, _number(1, size))
    tensor_type = _number(1, _ELEMENT_TYPE[element_type]) + _bytes(2, dimension + dimension)
    return _text(1, name) + _bytes(2, _bytes(1, tensor_type))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


if __name__ == "__main__":
    main()

"""The child process that builds a model from its configuration with random weights and times forward passes."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slmbench.instruments.memory import high_water_mark
from slmbench.instruments.pipe import RequestPipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

#: The minimum number of samples that gives an interval of the median, and the maximum.
_MIN_SAMPLES, _MAX_SAMPLES = 6, 200
#: Warm-up runs windows of so many untimed calls until the medians of two differ by no more than this share: memory is
#: allocated, kernels are chosen, a GPU raises its clock.
_WARM_UP, _STABLE = 3, 0.05
#: Number of random values drawn; they are repeated to fill a matrix, because drawing billions takes minutes.
_DRAWN = 1 << 20


def main() -> None:
    """Answer requests, whose keys are those that :func:`profile_architecture` sends."""
    pipe = RequestPipe()
    for request in pipe:
        pipe.answer(_profile(request))


def _profile(request: dict[str, Any]) -> dict[str, Any]:
    import torch
    import transformers

    from slmbench.instruments.devices import choose_device, torch_type

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    device = torch.device(choose_device(request["device"]))
    began = time.perf_counter()
    model = _without_memory(request)
    # Making the model has imported all that it needs, and given it nothing.
    runtime = high_water_mark()[0]
    _fill(model, device, torch_type(request["dtype"]))
    build_s = time.perf_counter() - began
    loaded, source = high_water_mark()
    timings = []
    for tokens in request["lengths"]:
        samples = _time(_forward(model, request, tokens), device, request["time_limit_s"])
        timings.append(
            {
                "tokens": tokens,
                "samples_ms": samples,
                "peak_bytes": high_water_mark()[0],
                "device_peak_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
            }
        )
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "build_s": build_s,
        "runtime_bytes": runtime,
        "loaded_bytes": loaded,
        "memory_source": source,
        "timings": timings,
    }


def _without_memory(request: dict[str, Any]) -> PreTrainedModel:
    """Build the model with parameters that have shapes only, so that there is never a second copy, or one in fp32."""
    import transformers
    from accelerate import init_empty_weights  # type: ignore[import-untyped]

    config = transformers.AutoConfig.for_model(request["model_type"], **request["config"])
    if request["task"] == "classification":
        kind: Any = transformers.AutoModelForSequenceClassification
        config.num_labels = 2
    elif config.is_encoder_decoder:
        kind = transformers.AutoModelForSeq2SeqLM
    else:
        kind = transformers.AutoModelForCausalLM
    # Buffers (positions, masks) are computed only while the model is built; parameters are filled in _fill.
    with init_empty_weights(include_buffers=False):
        model = kind.from_config(config)
    return model.eval()


def _fill(model: PreTrainedModel, device: torch.device, dtype: torch.dtype) -> None:
    """Allocate and fill every parameter: matrices as BERT initialises them, vectors with ones or zeros."""
    import torch

    drawn = torch.empty(_DRAWN, dtype=torch.float32).normal_(0, 0.02).to(device=device, dtype=dtype)
    # Parameters that several modules share must stay shared.
    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in made:
                values = torch.empty(parameter.shape, device=device, dtype=dtype)
                if parameter.dim() > 1:
                    flat = values.view(-1)
                    for start in range(0, flat.numel(), _DRAWN):
                        part = flat[start : start + _DRAWN]
                        part.copy_(drawn[: part.numel()])
                else:
                    values.fill_(1.0 if name == "weight" else 0.0)
                made[id(parameter)] = torch.nn.Parameter(values, requires_grad=False)
            setattr(module, name, made[id(parameter)])
    model.tie_weights()
    model.to(device)  # the buffers


def _forward(model: PreTrainedModel, request: dict[str, Any], tokens: int) -> Callable[[], torch.Tensor]:
    """Return the call that is timed: from token ids to logits of the labels or of one generated token."""
    import torch

    shape, config = (request["batch_size"], tokens), model.config
    # No special tokens, except the end that T5's classification head looks for.
    ids = torch.randint(10, config.vocab_size - 1, shape, device=request["device"])
    inputs: dict[str, Any] = {"attention_mask": torch.ones_like(ids)}
    if config.is_encoder_decoder:
        ids[:, -1] = config.eos_token_id
        inputs["use_cache"] = False
        if request["task"] == "generation":
            inputs["decoder_input_ids"] = torch.full_like(ids[:, :1], config.decoder_start_token_id)
    elif request["task"] == "generation":
        inputs |= {"use_cache": False, "logits_to_keep": 1}
    return lambda: model(input_ids=ids, **inputs).logits


def _time(call: Callable[[], torch.Tensor], device: torch.device, limit_s: float) -> list[float]:
    """Return times of calls in ms, sampled for about ``limit_s`` seconds after a warm-up of at most as long.

    Sampling continues beyond the limit until there are six samples, but ends at six times the limit.
    """
    import torch

    from slmbench.profiling.torch.forward import forward_ms

    def once() -> float:
        return forward_ms(lambda _: call(), [{}], device.type)[0]

    samples: list[float] = []
    with torch.inference_mode():
        began, before = time.perf_counter(), math.inf
        while time.perf_counter() - began < limit_s:
            now = statistics.median(once() for _ in range(_WARM_UP))
            if abs(now - before) <= _STABLE * now:
                break
            before = now
        began = time.perf_counter()
        while len(samples) < _MAX_SAMPLES:
            samples.append(once())
            spent = time.perf_counter() - began
            if spent > limit_s and (len(samples) >= _MIN_SAMPLES or spent > _MIN_SAMPLES * limit_s):
                break
    return samples


if __name__ == "__main__":
    main()

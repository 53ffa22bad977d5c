"""How fast this machine multiplies matrices: every library, precision and size, measured again.

    python benchmarks/gemm_ceiling.py [--device cuda] [--threads 1]

A star marks the ceiling of a precision, with which `slmbench profile` compares its cells.
"""

import argparse

from slmbench.instruments.roofline import machine_ceiling

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--threads", type=int)
arguments = parser.parse_args()

record = machine_ceiling(arguments.device, arguments.threads, again=True)
print(f"{record.hardware['machine']}, {record.device}, threads: {record.threads}")
print(f"{'library':<32} {'version':<12} {'precision':<9} {'n':>5} {'calls':>6} {'best ms':>9} {'GFLOP/s':>9}")
for timing in record.timings:
    star = "*" if record.ceilings[timing.precision] == timing else ""
    print(
        f"{timing.library:<32} {timing.version:<12} {timing.precision:<9} {timing.size:>5} {timing.calls:>6}"
        f" {timing.best_s * 1e3:>9.3f} {timing.flops_per_second / 1e9:>9,.0f} {star}"
    )

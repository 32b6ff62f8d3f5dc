"""What a run runs on: the peak rate of its devices, and the memory it has taken."""

import re
import resource
import sys
from typing import NamedTuple

import jax

# Dense bfloat16 products, in TFLOP/s of one device as JAX counts them; the first name
# found in a device's kind counts.
# TPU: "peak compute per chip (bf16)" on docs.cloud.google.com/tpu/docs/{v4, v5e, v5p,
# v6e, tpu7x}. NVIDIA: the data sheets of A100, H100 and H200, half of what they say
# "with sparsity".
PEAK_TFLOPS = {
    "TPU v4": 275.0,
    "TPU v5 lite": 197.0,
    "TPU v5e": 197.0,
    "TPU v5p": 459.0,
    "TPU v5": 459.0,
    "TPU v6 lite": 918.0,
    "TPU v6e": 918.0,
    "TPU7x": 2307.0 / 2,  # a device is one of a chip's two TensorCores
    "H200 NVL": 835.5,
    "H200": 989.5,
    "H100 NVL": 835.5,
    "H100 PCIe": 756.5,
    "H100": 989.5,
    "A100": 312.0,
}
NOT_WHOLE = re.compile(r"\b(MIG|TPU v4 lite)\b")  # a slice of a chip; another chip


class Memory(NamedTuple):
    """Bytes in use now and at most so far; `in_use` is None where nothing tells."""

    in_use: int | None
    peak: int


def peak_tflops(kind: str) -> float | None:
    """Peak of a device of this `device_kind`; None where it is not in the table."""
    if NOT_WHOLE.search(kind):
        return None
    found = (n for n in PEAK_TFLOPS if re.search(rf"\b{re.escape(n)}\b", kind))
    return next((PEAK_TFLOPS[name] for name in found), None)


def memory() -> Memory:
    """Of the fullest device of this process; on a CPU, resident memory at its peak."""
    told = [stats for d in jax.local_devices() if (stats := d.memory_stats())]
    if told:
        most = lambda key: max(stats[key] for stats in told)
        return Memory(most("bytes_in_use"), most("peak_bytes_in_use"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Memory(None, peak if sys.platform == "darwin" else peak * 1024)

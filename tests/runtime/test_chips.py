"""Peaks by the names that devices give themselves; memory as the kernel counts it."""

import pathlib

import pytest

from transfer_reasoning.runtime.chips import memory, peak_tflops


@pytest.mark.parametrize(
    ("kind", "peak"),
    [
        ("TPU v4", 275.0),
        ("TPU v5 lite", 197.0),
        ("TPU v5", 459.0),
        ("TPU v5p", 459.0),
        ("TPU v6 lite", 918.0),
        ("TPU7x", 1153.5),
        ("NVIDIA H100 80GB HBM3", 989.5),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.5),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("cpu", None),
        ("TPU v4 lite", None),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
    ],
)
def test_a_peak_is_that_of_the_whole_device_or_none(kind, peak):
    assert peak_tflops(kind) == peak


def test_the_peak_of_memory_is_the_kernels_in_bytes():
    status = pathlib.Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("no /proc to compare with")
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    kernels = int(line.split()[1]) * 1024
    assert memory().peak == pytest.approx(kernels, rel=0.02)

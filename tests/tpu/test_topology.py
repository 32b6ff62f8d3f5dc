"""Our table of TPU slices against libtpu, which knows them."""

import os
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from transfer_reasoning.runtime.topology import topology

pytest.importorskip("libtpu", reason="needs libtpu, which .[tpu] brings")

os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")

NAMES = """
    v4-8 v4-16 v4-128 v4:1x1x1 v5p-8 v5p-16 v5p-64 v5p-8192 v5p:4x4x12 v5p:1x1x1
    v5e-1 v5e-4 v5e-8 v5litepod-16 v5e-256 v6e-1 v6e-8 v6e-64 tpu7x-8 tpu7x-64
    tpu7x:1x1x1
"""


def described(slice_):
    return topologies.get_topology_desc(
        platform="tpu", topology_name=slice_.libtpu_name, **slice_.options
    ).devices


@pytest.mark.parametrize("name", NAMES.split())
def test_libtpu_counts_devices_and_hosts_as_we_do(name):
    slice_ = topology(name)
    devices = described(slice_)
    assert len(devices) == slice_.devices
    assert len({device.process_index for device in devices}) == slice_.hosts


@pytest.mark.parametrize("name", ["v4-8", "v5p-8", "v5e-4", "v6e-4", "tpu7x-8"])
def test_the_memory_of_a_device_is_what_its_compiler_allows(name):
    slice_ = topology(name)
    mesh = Mesh(np.array(described(slice_)), "x", axis_types=(AxisType.Auto,))
    place = NamedSharding(mesh, PartitionSpec("x"))
    shape = (slice_.devices, slice_.hbm_bytes // 2**20, 2**20)
    array = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=place)
    with pytest.raises(jax.errors.JaxRuntimeError, match="available HBM") as caught:
        jax.jit(lambda x: x + 1).lower(array).compile()
    (available,) = re.findall(r"available HBM \(([\d.]+)G\)", str(caught.value))
    assert int(float(available) * 2**30) == slice_.hbm_bytes

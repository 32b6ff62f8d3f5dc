"""Meshes from sizes, host data on them; and where a result came from."""

import shutil
import subprocess

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from transfer_reasoning.runtime import origin
from transfer_reasoning.runtime.mesh import make_mesh, place
from transfer_reasoning.types import InputError


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1, -1, 1), (1, 8, 1)),
        ((2, -1, 4), (2, 1, 4)),
        ((-1, 2, 2), (2, 2, 2)),
        ((8, 1, 1), (8, 1, 1)),
    ],
)
def test_the_free_axis_takes_the_rest(sizes, expected):
    mesh = make_mesh(dict(zip(("data", "fsdp", "tensor"), sizes, strict=True)))
    assert tuple(mesh.shape.values()) == expected
    assert mesh.devices.size == jax.device_count() == 8


@pytest.mark.parametrize(
    "sizes",
    [
        (1, -1, 3),
        (-1, -1, 2),
        (2, 2, 1),
        (2, 2, 4),
        (1, -1, 0),
        (0, 8, 1),
        (-2, -4, 1),
        (-1, -8, 1),
        (1, -1, 16),
    ],
)
def test_sizes_that_do_not_multiply_to_the_devices_are_refused(sizes):
    shape = dict(zip(("data", "fsdp", "tensor"), sizes, strict=True))
    with pytest.raises(
        InputError, match="there are 8 devices; expected sizes"
    ) as caught:
        make_mesh(shape)
    assert str(shape) in str(caught.value)


def test_placed_arrays_are_the_host_arrays_on_their_shards():
    mesh = make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    sharding = NamedSharding(mesh, PartitionSpec(("data", "fsdp")))
    tree = {"a": np.arange(32.0).reshape(8, 4), "b": [np.arange(8, dtype=np.int32)]}
    placed = place(tree, sharding)
    jax.tree.map(np.testing.assert_array_equal, placed, tree)
    assert placed["a"].sharding == sharding
    assert placed["a"].addressable_shards[0].data.shape == (2, 4)


def test_versions_name_what_a_result_depends_on():
    found = origin.versions()
    assert found["jax"] == jax.__version__
    assert found["numpy"] == np.__version__
    assert set(origin.PACKAGES) < set(found)


@pytest.fixture
def checkout(tmp_path):
    """A copy of the module in a repository of its own."""
    package = tmp_path / "transfer_reasoning" / "runtime"
    package.mkdir(parents=True)
    shutil.copy(origin.__file__, package / "origin.py")
    return tmp_path


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def revision_in(folder):
    file = folder / "transfer_reasoning" / "runtime" / "origin.py"
    names = {"__file__": str(file)}
    exec(compile(file.read_text(), str(file), "exec"), names)
    return names["git_revision"]()


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_revision_says_when_the_code_was_changed(checkout):
    assert revision_in(checkout) == "unknown"
    git(checkout, "init", "-q")
    assert revision_in(checkout) == "unknown"
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "All")
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "notes.txt").write_text("untracked files change no result")
    assert revision_in(checkout) == head
    file = checkout / "transfer_reasoning" / "runtime" / "origin.py"
    file.write_text(file.read_text() + "\n")
    assert revision_in(checkout) == f"{head}+dirty"

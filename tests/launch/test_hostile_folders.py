"""Model folders that are broken or hostile: one line, soon, and in little memory."""

import json
import shutil
import time
import tracemalloc

import jax
import numpy as np
import pytest

from configs import common
from launch import build, models
from tests.launch.broken_configs import CONFIGS
from tests.launch.broken_tokenizers import TOKENIZERS
from tests.launch.broken_weights import FILES, HEADERS, SHARDED
from tests.launch.damage import (
    CONFIG,
    INDEX,
    WEIGHTS,
    fields,
    join,
    put,
    split,
    written,
)
from transfer_reasoning.model.safetensors import read_folder
from transfer_reasoning.types import InputError

WHOLE = CONFIGS | HEADERS | FILES | TOKENIZERS
LIMIT_S, LIMIT_BYTES = 5, 150_000_000


def load(folder):
    """As every command does: first what needs no device, then the rest."""
    models.check(str(folder))
    model = common.model()
    model.path = str(folder)
    return build.load_model(model, common.mesh())


def check_refused(broken, folder) -> None:
    broken.damage(folder)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        load(folder)
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    line = str(caught.value)
    for part in (*broken.said, str(folder), "expected"):
        assert part in line
    assert line.isprintable()
    assert len(line) < 800
    assert seconds < LIMIT_S
    assert peak < LIMIT_BYTES


@pytest.mark.parametrize("name", WHOLE)
def test_a_broken_folder_is_refused_in_one_line(name, model_folder):
    check_refused(WHOLE[name], model_folder)


@pytest.mark.parametrize("name", SHARDED)
def test_a_broken_index_is_refused_in_one_line(name, sharded_folder):
    check_refused(SHARDED[name], sharded_folder)


HARMLESS = {
    "notes": fields(
        CONFIG, _name_or_path="x/y", unsloth_version="2025.3", unsloth_fixed=True,
        auto_map={"AutoModelForCausalLM": "evil.Evil"}, use_mrope=False, use_cache=True,
        transformers_version="4.51.0", torch_dtype="bfloat16", max_window_layers=36,
        sliding_window=4096, use_sliding_window=False, initializer_range=0.02,
        bos_token_id=1, eos_token_id=[1, 2], pad_token_id=None, trained_by="somebody",
        mlp_bias=False, pretraining_tp=1, partial_rotary_factor=1.0, num_experts=0,
        layer_types=["full_attention"] * 3, quantization_config=None,
    ),
    "window from the last layer on": fields(
        CONFIG, sliding_window=4096, use_sliding_window=True, max_window_layers=3
    ),
    "old spelling": fields(
        CONFIG, rope_parameters=None, rope_scaling={"type": "default"}, rope_theta=10**6
    ),
    "both spellings": fields(
        CONFIG, rope_parameters={"rope_type": "default"}, rope_theta=1e6
    ),
    "pickles beside": put("pytorch_model.bin", b"cos\nsystem\n(S'false'\ntR."),
    "padded header": lambda folder: join(
        folder / WEIGHTS,
        written(split(folder / WEIGHTS)[0]) + b" " * 800,
        split(folder / WEIGHTS)[1],
    ),
    "code of its own": fields(
        "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]},
        tokenizer_class="Evil", trust_remote_code=True,
    ),
    "a link inside": lambda folder: (
        (folder / WEIGHTS).rename(folder / "here"),
        (folder / WEIGHTS).symlink_to("here"),
    ),
    "an index of one file": lambda folder: put(
        INDEX,
        json.dumps(
            {
                "metadata": {"total_size": 142_464.0 * 2},
                "weight_map": dict.fromkeys(read_folder(folder), WEIGHTS),
            }
        ),
    )(folder),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_loads_as_if_it_were_not_there(name, model_folder, tmp_path):
    plain = load(model_folder)
    HARMLESS[name](model_folder)
    (model_folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    loaded = load(model_folder)
    assert loaded.config == plain.config
    assert loaded.text.encode("what is 12") == plain.text.encode("what is 12")
    jax.tree.map(np.testing.assert_array_equal, loaded.params, plain.params)
    assert not (tmp_path / "ran").exists()


def test_a_snapshot_of_the_hubs_cache_links_to_its_own_blobs_only(
    model_folder, tmp_path
):
    """Its layout: models--o--n/{blobs/HASH, snapshots/REVISION/NAME -> ../../blobs}."""
    repository = tmp_path / "models--o--n"
    snapshot = repository / "snapshots" / "revision"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(model_folder.iterdir())):
        shutil.move(file, repository / "blobs" / str(number))
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
    assert load(snapshot).config.num_layers == 3
    other = tmp_path / "models--o--other" / "blobs"
    other.mkdir(parents=True)
    shutil.copyfile(snapshot / WEIGHTS, other / "0")
    (snapshot / WEIGHTS).unlink()
    (snapshot / WEIGHTS).symlink_to("../../../models--o--other/blobs/0")
    with pytest.raises(InputError, match="link out"):
        load(snapshot)


def test_an_unexpected_tensor_is_named_with_its_file(sharded_folder):
    fields(CONFIG, num_hidden_layers=2)(sharded_folder)
    with pytest.raises(InputError, match=r"unexpected.*layers\.2\..*-of-00002\.safe"):
        load(sharded_folder)

"""Golden numbers of transformers (tests/golden/make_golden.py), without torch."""

import json
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

from tests.tiny import mesh_of, run_forward
from transfer_reasoning.model import safetensors
from transfer_reasoning.model.config_file import read_config
from transfer_reasoning.model.convert import load_params
from transfer_reasoning.model.decoder import head_table
from transfer_reasoning.model.partition import Layout
from transfer_reasoning.model.score import logits

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
MODELS = json.loads((GOLDEN / "transformers.json").read_text())
POSITIONS = (0, 17, 39)


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_logits_equal_those_of_transformers(name, tmp_path):
    golden = np.load(GOLDEN / "transformers.npz")
    rng = np.random.default_rng(0)  # the draws of tests/parity/reference.py
    announced, arrays = [], []
    for weight, shape in MODELS[name]["weights"]:
        noise = rng.normal(size=shape)
        if len(shape) == 2:
            value = noise * shape[1] ** -0.5
        else:
            value = (1.0 if "norm" in weight else 0.0) + 0.1 * noise
        announced.append((weight, tuple(shape), np.dtype(np.float32)))
        arrays.append(value.astype(np.float32))
    safetensors.write_folder(tmp_path, announced, arrays)
    (tmp_path / "config.json").write_text(json.dumps(MODELS[name]["config"]))
    config = read_config(tmp_path)
    layout = Layout.train(mesh_of(1, 1, 1))
    params = load_params(tmp_path, config, dtype="float32", layout=layout)

    tokens = jnp.asarray(golden["tokens"])
    positions = jnp.arange(40)[None] + 3000
    out = run_forward(
        params, tokens, positions, jnp.ones_like(tokens), config=config,
        keep=lambda x, k, v: x,
    )  # fmt: skip
    states = np.stack([out.embedded_BTD, *out.kept[:-1], out.hidden_BTD])
    close = {"atol": 2e-5, "rtol": 1e-4}
    np.testing.assert_allclose(
        states[:, 0, POSITIONS], golden[f"{name}/hidden"], **close
    )
    mine = logits(out.hidden_BTD, head_table(params, config))[0, POSITIONS, :]
    np.testing.assert_allclose(mine, golden[f"{name}/logits"], **close)

"""Write golden numbers of transformers; run where torch is, commit the result.

    python -m tests.golden.make_golden

`tests/model/test_golden.py` compares with them on machines without torch.
"""

import json
import pathlib

import numpy as np
import torch

from tests.parity.reference import GOLDEN, SHARPS, reference_model

HERE = pathlib.Path(__file__).parent
POSITIONS = (0, 17, 39)


def main() -> None:
    tokens = np.random.default_rng(2).integers(0, 211, (1, 40))
    positions = np.arange(40)[None] + 3000
    weights, numbers = {}, {}
    for name, variant in GOLDEN.items():
        model = reference_model(variant)
        with torch.no_grad():
            out = model(
                torch.tensor(tokens),
                position_ids=torch.tensor(positions),
                output_hidden_states=True,
            )
        states = np.stack([state[0, POSITIONS].numpy() for state in out.hidden_states])
        numbers[f"{name}/hidden"] = states
        numbers[f"{name}/logits"] = out.logits[0, POSITIONS].numpy()
        weights[name] = {
            "config": json.loads(model.config.to_json_string()),
            "sharpness": variant.sharpness,
            "weights": [[n, list(p.shape)] for n, p in model.named_parameters()],
        }
    rotary = {}
    for name in (name for name in SHARPS if "rope" in name or "theta" in name):
        model = reference_model(SHARPS[name])
        numbers[f"{name}/frequencies"] = model.model.rotary_emb.inv_freq.numpy()
        rotary[name] = json.loads(model.config.to_json_string())
    np.savez_compressed(HERE / "transformers.npz", tokens=tokens, **numbers)
    text = json.dumps({"models": weights, "rotary": rotary}, sort_keys=True)
    (HERE / "transformers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

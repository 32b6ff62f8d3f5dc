"""Write golden numbers of TRL's GRPO loss; run where torch and trl are.

    python -m tests.golden.make_trl

`tests/objectives/test_trl.py` compares with them on machines without either.
"""

import pathlib

import numpy as np

from tests.parity.trl_loss import CASES, trl_loss

FILE = pathlib.Path(__file__).parent / "trl.npz"


def main() -> None:
    """One loss and one gradient a case."""
    numbers = {}
    for case in CASES:
        loss, gradient = trl_loss(case)
        numbers[f"{case.name}/loss"] = np.float64(loss)
        numbers[f"{case.name}/gradient"] = gradient
    np.savez_compressed(FILE, **numbers)


if __name__ == "__main__":
    main()

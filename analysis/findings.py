"""What a study found, in sentences: where the paper's ordering held and where not.

The claims are those of the paper's ablation (arXiv 2507.00432 v2, Table 4 and section
5). Each is decided by an interval, over items and, with several seeds, over seeds:
held, did not hold, or undecided (the interval covers the border).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from analysis import gains
from analysis.names import GROUPS, label
from analysis.results import BASE, Study
from transfer_reasoning.intervals import Interval

HELD, FAILED, OPEN = "held", "did not hold", "undecided"
HEADLINE = ("off_policy_sft", "on_policy_rl")  # the ends of the paper's contrast


class Claim(NamedTuple):
    """A claim of the paper: `first` scores higher than `second` on this group."""

    text: str
    first: str
    second: str
    group: str


NON, OTHER, MATH = "non_reasoning", "other_reasoning", "math"

CLAIMS = (
    Claim("off-policy SFT gains on mathematics", "off_policy_sft", BASE, MATH),
    Claim("on-policy RL gains on mathematics", "on_policy_rl", BASE, MATH),
    Claim(
        "off-policy SFT gains more on mathematics than on-policy RL",
        "off_policy_sft",
        "on_policy_rl",
        MATH,
    ),
    Claim("off-policy SFT gains on other reasoning", "off_policy_sft", BASE, OTHER),
    Claim("on-policy RL gains on other reasoning", "on_policy_rl", BASE, OTHER),
    Claim("off-policy SFT loses on non-reasoning", BASE, "off_policy_sft", NON),
    Claim("on-policy SFT gains on non-reasoning", "on_policy_sft", BASE, NON),
    Claim("on-policy RL gains on non-reasoning", "on_policy_rl", BASE, NON),
    Claim(
        "on-policy SFT keeps more non-reasoning than off-policy SFT",
        "on_policy_sft",
        "off_policy_sft",
        NON,
    ),
    Claim(
        "on-policy RL keeps more non-reasoning than off-policy RL",
        "on_policy_rl",
        "off_policy_rl",
        NON,
    ),
    Claim(
        "off-policy RL keeps more non-reasoning than off-policy SFT",
        "off_policy_rl",
        "off_policy_sft",
        NON,
    ),
)


def decide(value: Interval) -> str:
    """Is a quantity that should be above 0 above it, below it, or neither for sure?"""
    if value.low > 0:
        return HELD
    return FAILED if value.high < 0 else OPEN


def verdicts(study: Study) -> list[tuple[Claim, Interval, str]]:
    """Every claim about models of the study: what is above 0 if it holds, in points,
    and what became of it."""
    models = {BASE, *study.names}
    claims = [claim for claim in CLAIMS if {claim.first, claim.second} <= models]
    found = [(claim, _quantity(study, claim)) for claim in claims]
    return [(claim, value, decide(value)) for claim, value in found]


def _quantity(study: Study, claim: Claim) -> Interval:
    benchmarks = study.groups[claim.group]
    return gains.difference(study, claim.first, claim.second, benchmarks)


def sentences(study: Study) -> list[str]:
    """What changed under two settings, then per seed where the paper's order held."""
    headline = [name for name in HEADLINE if name in study.names] or study.names
    changed = [_changes(study, name) for name in headline]
    return [*changed, *_by_seed(study)]


def _changes(study: Study, name: str) -> str:
    said = {HELD: "gained on", FAILED: "lost on", OPEN: "showed no clear change on"}
    parts = []
    for group, words in zip((MATH, OTHER, NON), GROUPS.values(), strict=True):
        value = gains.gain(study, name, study.groups[group])
        parts.append(f"{said[decide(value)]} {words.lower()} ({_points(value)})")
    text = f"{label(name)} {_join(parts)}."
    return text[0].upper() + text[1:]


def ordering(study: Study) -> list[dict[str, Any]]:
    """Every claim with its verdict by seed, and over all seeds; ready for JSON."""
    alone = {str(seed): study.of_seed(seed) for seed in sorted(study.seeds)}
    found = {who: verdicts(part) for who, part in {**alone, "all": study}.items()}
    return [
        {
            "claim": claim.text,
            "by_seed": {
                who: {
                    "verdict": rows[number][2],
                    "mean": rows[number][1].mean,
                    "ci_low": rows[number][1].low,
                    "ci_high": rows[number][1].high,
                }
                for who, rows in found.items()
            },
        }
        for number, (claim, _, _) in enumerate(found["all"])
    ]


def _by_seed(study: Study) -> Iterator[str]:
    for seed in sorted(study.seeds):
        by_verdict: dict[str, list[str]] = {HELD: [], FAILED: [], OPEN: []}
        for claim, value, verdict in verdicts(study.of_seed(seed)):
            by_verdict[verdict].append(f"{claim.text} ({_signed(value.mean)})")
        text = "; ".join(
            f"{verdict}: {_join(claims)}"
            for verdict, claims in by_verdict.items()
            if claims
        )
        yield f"Seed {seed}, of the paper's ordering {text or 'nothing was tested'}."


def _join(parts: Sequence[str]) -> str:
    return ", ".join(parts)


def _signed(value: float) -> str:
    return f"{value:+.1f}"


def _points(value: Interval) -> str:
    return f"{value.mean:+.1f} [{value.low:+.1f}, {value.high:+.1f}]"

"""The study in one JSON file: scores, gains, index, probes, origin.

`schema/summary.schema.json` says what is in it; times are under "times" alone, so that
two runs of one study can be compared by the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis import findings, gains
from analysis.results import BASE, SHORT, Run, Study
from transfer_reasoning.intervals import Interval
from transfer_reasoning.runtime.origin import git_revision, versions
from transfer_reasoning.runtime.records import digest

SUMMARY = "summary.json"
FORMAT = 1
UNITS = {
    "scores": "percent",
    "gains": "points",
    "ti": "percent of the mathematics gain",
    "kl": "nats per token",
    "pca_shift.paper": "activation units",
    "pca_shift.centred": "standard deviations of the base",
    "rank_shift": "ranks",
    "times": "seconds",
}


def build_summary(study: Study) -> dict[str, Any]:
    """Everything of a finished study, ready for JSON."""
    settings = [BASE, *study.config["settings"]]
    others = [name for name in study.names if name not in settings]
    controls = [name for name in others if name in study.config["controls"]]
    sweep = [name for name in others if name not in controls]
    return {
        "format": FORMAT,
        "units": UNITS,
        "seeds": sorted(study.seeds),
        "groups": {SHORT[group]: names for group, names in study.groups.items()},
        "held_out": study.config["held_out"],
        "settings": {name: _entry(study, name) for name in settings},
        "controls": {name: _entry(study, name) for name in controls},
        "sweep": {name: _entry(study, name) for name in sweep},
        "per_seed": {
            str(seed): {
                name: _entry(study.of_seed(seed), name) for name in [BASE, *study.names]
            }
            for seed in sorted(study.seeds)
        },
        "findings": findings.sentences(study),
        "ordering": findings.ordering(study),
        "versions": versions(),
        "git_revision": git_revision(),
        "config_digests": _digests(study),
        "times": {name: mark["wall_s"] for name, mark in study.marks.items()},
    }


def _entry(study: Study, name: str) -> dict[str, Any]:
    """One model, over the seeds of `study`."""
    groups = gains.short_groups(study)
    entry: dict[str, Any] = {
        "scores": {
            b: _scores(study, name, b) for names in groups.values() for b in names
        },
        "group_means": {
            group: gains.score(study, name, names).mean
            for group, names in groups.items()
        },
    }
    if name == BASE:
        return entry
    change = lambda names: _interval(gains.gain(study, name, names))
    held_out = study.config["held_out"]
    tuned = [benchmark for benchmark in groups["math"] if benchmark != held_out]
    return entry | {
        "learning_rate": _first(study, name).config["optimizer"]["learning_rate"],
        "gains": {group: change(names) for group, names in groups.items()},
        "gains_by_benchmark": {
            b: change([b]) for names in groups.values() for b in names
        },
        "gain_tuned_tasks": change(tuned),
        "gain_held_out": change([held_out]),
        "ti": gains.index(study, name),
        "ti_intervals": gains.index_intervals(study, name),
        **_probes(study, name),
    }


def _scores(study: Study, name: str, benchmark: str) -> dict[str, float]:
    interval = gains.score(study, name, [benchmark])
    runs = [runs[name].scores[benchmark] for runs in study.seeds.values()]
    mean = lambda key: float(np.mean([run[key] for run in runs]))
    return {
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": runs[0]["n"],
        "truncated": mean("truncated"),
        "unparsable": mean("unparsable"),
        "ungraded": mean("ungraded"),
    }


def _probes(study: Study, name: str) -> dict[str, Any]:
    """KL, PCA shift and rank shift: the mean over benchmarks, and by group."""
    groups = gains.short_groups(study)
    everything = [benchmark for names in groups.values() for benchmark in names]
    runs = [runs[name] for runs in study.seeds.values()]
    divide = lambda pick: {g: _mean(runs, names, pick) for g, names in groups.items()}
    token = lambda kind, key: lambda probe: probe["token_shift"][kind][key]
    moved = lambda key: lambda probe: probe["pca_shift"][key]
    kl = {"forward": "kl_forward", "reverse": "kl_reverse", "paper": "kl_paper"}
    return {
        "kl": {k: _mean(runs, everything, token("tuned", v)) for k, v in kl.items()},
        "kl_by_group": {k: divide(token("tuned", v)) for k, v in kl.items()},
        "kl_by_text": {
            kind: {k: _mean(runs, everything, token(kind, v)) for k, v in kl.items()}
            for kind in ("tuned", "base", "shared")
        },
        "pca_shift": {
            k: _mean(runs, everything, moved(k)) for k in ("paper", "centred")
        },
        "pca_shift_by_group": {k: divide(moved(k)) for k in ("paper", "centred")},
        "rank_shift": _mean(runs, everything, token("tuned", "rank_shift")),
        "rank_shift_by_group": divide(token("tuned", "rank_shift")),
        "shifted_tokens_by_group": divide(token("tuned", "shifted")),
    }


def _mean(runs: Sequence[Run], benchmarks: Sequence[str], pick) -> float:
    return float(np.mean([[pick(run.probe[b]) for b in benchmarks] for run in runs]))


def _interval(value: Interval) -> dict[str, float]:
    return {"mean": value.mean, "ci_low": value.low, "ci_high": value.high}


def _first(study: Study, name: str) -> Run:
    return next(iter(study.seeds.values()))[name]


def _digests(study: Study) -> Mapping[str, str]:
    found = {name: mark["config_digest"] for name, mark in study.marks.items()}
    return {"study": digest(dict(study.config))} | found

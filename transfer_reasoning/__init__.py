"""Does tuning on mathematics transfer? The library behind the controlled study.

Import direction (a module imports only from lower layers; tested):

    4  training
    3  rollouts   evaluation
    2  sampling   data   benchmarks   probes   small_suite
    1  model   objectives   grading   runtime   text   transferability   intervals
    0  types

`launch/` turns flags into calls of this package, `configs/` holds the experiments,
`analysis/` reads their records. docs/ARCHITECTURE.md is the longer map.
"""

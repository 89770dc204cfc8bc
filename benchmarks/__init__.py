"""How fast the hot path is, beside what it cannot be faster than: `make bench`, or `python -m benchmarks --help`.

The rule: a figure is only worth something beside another one of the same run. Every lane is therefore measured in turn with its floors, in
one process, against one server, and what is reported first are ratios. A run in which anything went otherwise than meant has no figures.
"""

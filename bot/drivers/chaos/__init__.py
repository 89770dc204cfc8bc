"""Chaos: the unchanged shell and core against the simulator's venues on virtual time, with faults drawn from a seed and an oracle that
knows the world. `hedgebot chaos` runs it; docs/chaos.md tells how to read it.
"""

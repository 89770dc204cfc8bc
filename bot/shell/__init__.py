"""The async shell: one queue, one consumer. It turns the world into events and commands into calls, and decides nothing.

Modules: clock (real time), loop (queue, step, journal, dispatch in one place), dispatch (one command, one call, one answer),
feeds (venues and sources into events), recovery (what the journal folds to), left_out (what a start may not forget),
lifecycle (start, supervision, stop).
"""

"""The pure core: decides, and knows nothing of time, sockets, files or threads.

Modules in the order in which an event travels:
units, instrument, policy, events, commands, order, ledger, exposure, margin, funding, invariants, target, risk, execution, engine.
"""

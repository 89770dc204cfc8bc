"""Composition: the only modules that name everything. `live` runs the bot, `simulated` the venues, `demo` both with a story."""

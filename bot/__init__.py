"""hedgebot keeps collateral delta-neutral with short perpetuals on several venues.

One pure step function decides (`bot.core`); an async shell turns the world into events and commands into calls (`bot.shell`).
"""

__version__ = "0.1.0"

"""The main job as a story: simulated venues, the bot as its own process, collateral that comes and goes, and what can go wrong.

stage      builds the scene in a folder: venues, accounts, configuration, holdings, the bot's process
observer   reads the bot's statement and the venues' own books, and measures true net delta
story      what happens when, how it is known that the bot saw it, and that it healed
view       the live picture in a terminal, or plain lines
summary    the verdict and the JSON report
demo       puts them together
"""

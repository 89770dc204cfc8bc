"""The journal: what came in and what was asked of the world, in order, durable, and linked so that a gap cannot hide.

`codec` turns entries into bytes and links them; `sqlite` keeps them in one file beside the bot. Every store passes the same contract
suite.
"""

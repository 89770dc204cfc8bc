"""A venue in a box: a pure matching engine, market paths, native dialects and a server, so that the real ccxt trades with it.

It knows nothing of the bot but the words in `bot.core.units`. `model` holds the nouns, `exchange` decides, `dialects` speak.
"""

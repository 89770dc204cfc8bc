"""Collateral on an EVM chain: balances of custody addresses at confirmed blocks, redemption rates, and the mint contracts' announcements.

Only `web3_node` and its `links` speak to anybody; what is decoded, planned, compared and remembered is in modules that wait for nothing.
"""

import sys

_depth = sys.getrecursionlimit()
import web3 as _web3  # noqa: E402, F401  between the two lines: one of its dependencies sets the process's limit to 100,000 frames

sys.setrecursionlimit(_depth)

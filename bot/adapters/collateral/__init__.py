"""Where collateral is told: each source puts totals with their provenance into the inbox, and never a guess."""

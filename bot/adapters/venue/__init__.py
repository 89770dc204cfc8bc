"""A venue spoken to through ccxt: the only place in the project that imports it, or the throttle in front of it.

An order request travels `ccxt_venue` -> `throttle` -> ccxt (signs, after any wait) -> `routing` -> wire. What comes back travels
`ccxt_mapping` (pure) or `outcomes` (pure) -> core events. What differs from venue to venue is data in `profiles`.
"""

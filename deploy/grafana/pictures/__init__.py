"""Pictures of the dashboards: see `draw`."""

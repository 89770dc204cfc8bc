"""The dashboards, as typed code: `python -m deploy.grafana.source` writes deploy/grafana/dashboards (`make dashboards`).

One module for each dashboard, `panels` for what they are made of. Tests hold the files against this code, Grafana's own schema, and the
metrics that the bot exports, and ask every query of a Prometheus that scraped a demo.
"""

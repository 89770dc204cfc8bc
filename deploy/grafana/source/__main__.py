"""Writes deploy/grafana/dashboards: `python -m deploy.grafana.source [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.grafana.source.files import FOLDER, files


def main() -> None:
    """Writes one file for each dashboard into the folder that is named, or the repository's."""
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    into.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (into / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

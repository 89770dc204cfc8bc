"""Concrete ends of the ports. Each sub-package knows core types and ports, never the shell and never another sub-package."""

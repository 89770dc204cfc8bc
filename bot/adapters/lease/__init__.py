"""The lease: which of several instances may send. One module per store."""

"""Absl mains: flags and configs in, calls of the library out. One file per command."""

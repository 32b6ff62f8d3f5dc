"""The experiments: a file is a row or column of a table, `:variant` its size."""

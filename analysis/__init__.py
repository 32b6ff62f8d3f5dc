"""Records to tables, figures and one page. Reads files, never jax; runs on a laptop."""

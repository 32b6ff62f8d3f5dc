"""The paper's figures, redrawn from a study: one file per exhibit."""

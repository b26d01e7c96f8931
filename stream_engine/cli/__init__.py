"""The command line: one file per verb. The only place that imports everything, and nobody imports it."""

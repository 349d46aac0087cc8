"""The sections of the report, a file each: see `benchmarks.report.section.Section`."""

"""One file per benchmark. Nothing is listed here: ``benchsuite.discovery`` scans this folder.

To add one, write a file with a docstring that states the question and one ``BENCHMARK`` (or a
tuple ``BENCHMARKS``); docs/add-a-benchmark.md walks through it. These files import ``model``,
``units`` and NumPy, nothing else: what executes, how ranks talk and how ranks start is not theirs.
"""

"""Comparisons of `tests/cluster/questions`: what wsim answers to a question is written to a file, then the real cluster is measured.

`table` keeps predictions and measurements, `clients` are people with waiting syncs, `cluster` starts clusters with settings of their own. Each other file is one question with a function
`compare(run)`, which takes five minutes at most.
"""

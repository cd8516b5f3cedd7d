"""Code that the commands in tests/cluster share. Python 3.11, standard library only.

Each file has one job. A cluster: `folder` knows the paths and ports, `plan` reads wsim's plan files, `program` starts and stops processes,
`services`, `synapse` and `proxy` know one kind of process each, `quota` limits CPU, `snapshot` saves and restores a homeserver, `watchdog` stops a
cluster whose owner has ended, `session` is a cluster for the length of a `with` block. Checks: `matrix` is a small client, `proxylog` reads nginx's
log, `verdict` checks a replay, `checks` collects results. Accuracy: `measured` reads a run of an experiment, `accuracy` compares it with a
prediction, `accuracy_tables` prints the comparison, `counters` reads Prometheus counters. `compose` reads a compose file that wsim wrote, `platforms` checks what is written for each platform. `problem` prints messages and errors, `wsim` calls the
program under test. Nothing here imports a command.
"""

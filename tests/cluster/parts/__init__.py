"""What the commands in tests/cluster share. Python 3.11, standard library only.

One job a file: `problem` says things to people, `folder` knows where everything of a cluster lies, `plan` reads wsim's plan files, `program` starts
and stops processes, `services`, `synapse` and `proxy` know one kind of process each, `matrix` speaks to the homeserver, `proxylog` reads
what nginx wrote, `wsim` calls the program under test. Nothing here imports a command.
"""

"""`python -m cluster.cli`: the command line where `studbook` is not on the PATH, as on the nodes of a cluster."""

from cluster.cli import main

if __name__ == "__main__":
    main()

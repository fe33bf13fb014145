"""The shell: Ray actors, jobs, journal, MLflow, report, command line."""

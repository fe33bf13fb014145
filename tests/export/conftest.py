"""What lies in engines/ is run by the engines' own Python, which has what ours has not."""

collect_ignore = ["engines"]

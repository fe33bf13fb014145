"""`studbook bench`: how fast this machine evaluates strategies on the user's own bars, after showing that it is exact.

`measure_all` makes the rows; `show` prints them, `page` draws them. Nothing here is imported by a job.
"""

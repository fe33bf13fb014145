"""Learning while the bars go by: predict first, learn later, and only from labels whose horizon has passed.

table            what there is: algorithms, their hyper-parameters, targets, horizons; loads without numba
running          `learn`: one learner over the bars of one shard, to a score and a confidence for each bar
targets          what is to be predicted; standardising: what it is predicted from
confidence       a learner's track record
kernels          the registry: algorithm -> compiled learner
linear_learners, least_squares, ...   the learners; hedge: the expert that listens to others
importance       which features a learner lives by
"""

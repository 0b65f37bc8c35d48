"""The core of PMMDS, without Dagster and BentoML. A package may import only the packages above it in this list.

errors.py      the exception tree
runtime/       JSON logs, process ids, file locks, private folders, atomic writes, time windows, web guard
config/        PMMDS_* settings, their types, secrets in files, the admin token
contracts/     load, check and infer contracts; decode and validate requests
data/          read data files into data frames: text tables, pandera, expectations, digests, row identity
statistics/    tests, intervals, AUC: arrays in, numbers out; the Verdict enum
profiling/     bins, bin queries, the reference profile and reference rows
synthetic/     the generator of rows, its fit, traffic scenarios
drift/         drift measures, comparison, statements, segments, policy, rules/
models/        portable scorers and their compilers, the bundle, calibration, explanations, latency
evaluation/    champion against challenger, segments, replay, shadow agreement, CBPE validity, label delays
policies/      promotion, rollback, retraining, alerts: pure functions, decision states, message text
reports/       charts, pages, their text, templates/
training/      pipelines, split, mix, model card, release
stores/        database, files, predictions, monitoring, lifecycle, artifacts: all I/O with other systems
deployment.py  the settings, contract and stores of one deployment
file_drift/    compare two files; needs no deployment
workflows/     monitor, promote, approve, roll back, retrain, reproduce, explain, expire
"""

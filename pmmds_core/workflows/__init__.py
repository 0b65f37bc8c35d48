"""What the jobs and commands do: monitor, promote, approve, roll back, retrain, reproduce, explain, retain.

Pure rules are in policies/.
"""

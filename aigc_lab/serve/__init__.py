"""A trained model as a service: ``python -m aigc_lab.serve MODEL_FOLDER``. Introduced in notebook 19.

A request waits in a bounded queue (``batching``), what waits is drawn in one run of the model (``versions``),
and every answer is logged, counted and, if it cannot be given, told why (``app``). No TensorFlow anywhere.
"""

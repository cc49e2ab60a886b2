"""Stage 5, train: one ``fit`` for every model, many steps in one compiled call.

A model that can be trained here has ``loss_terms(inputs, outputs)``: a dict of scalars,
``"loss"`` among them. It may have ``check_training_data(x, labels)``,
``optimizer_options()`` for Adam, and ``remark(rows)``: a sentence about the reports so far, which is
said once, as a warning. On TensorFlow the steps between two reports are one compiled loop over
data that stay in memory, because on a CPU the Python work of each step costs more than the
mathematics of a small network. On JAX and PyTorch, Keras' own ``fit`` does it.
Introduced in notebook 00.
"""

from aigc_lab.train.environment import device, devices
from aigc_lab.train.fitting import SCHEDULES, History, RewrittenLine, Trainer, fit, rates, settings
from aigc_lab.train.profiling import profile

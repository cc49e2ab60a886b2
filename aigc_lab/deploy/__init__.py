"""Stage 7, deploy: export a model, check the export, run it without TensorFlow, write its card.

``export`` writes three forms and compares each with the model before it leaves anything:

- ``vae.keras``: the whole VAE, to go on training or to encode; exactly equal when reloaded;
- ``generator_saved_model/``: the generator for TensorFlow and its servers;
- ``generator.onnx``: the generator for everything else; ``draw_with_onnx`` needs only NumPy
  and onnxruntime.

Introduced in notebook 00.
"""

from aigc_lab.deploy.card import model_card
from aigc_lab.deploy.exporting import FORMATS, TOLERANCE, check, export
from aigc_lab.deploy.onnx_file import draw_with_onnx, onnx_metadata

__all__ = ["FORMATS", "TOLERANCE", "check", "draw_with_onnx", "export", "model_card", "onnx_metadata"]

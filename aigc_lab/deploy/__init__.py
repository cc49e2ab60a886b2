"""Stage 7, deploy: export a model, check the export, run it without TensorFlow, write its card.

``export`` writes three forms and compares each with the model before it leaves anything:

- ``model.keras``: the whole model, to go on training or to encode; exactly equal when reloaded;
- ``generator_saved_model/``: the generator for TensorFlow and its servers;
- ``generator.onnx``: the generator for everything else; ``draw_with_onnx`` and ``enlarge_with_onnx`` need
  only NumPy, ONNX and onnxruntime.

The generator is what makes images: from latent points (VAE, GAN), from smaller images (super-resolution) or
from damaged ones (repair). Of a Transformer and of a diffusion model it is the network, which whoever writes
or draws asks again and again.

A *models folder* holds exports as its subfolders, the versions; ``live.json`` in it names the one to serve.

Introduced in notebook 00; versions and quantisation in notebook 19.
"""

from aigc_lab.deploy.forms import FORMATS, check, export, judge_network, quantise, write_judge
from aigc_lab.deploy.onnx_file import (
    TOLERANCE,
    draw_with_onnx,
    enlarge_with_onnx,
    onnx_metadata,
    open_onnx,
    write_onnx,
)
from aigc_lab.deploy.versions import live, model_card, record, set_live, verify

"""Stage 3, label: who said what each item shows, and how far to believe it.

``errors`` finds labels that are probably wrong and ``relabel`` puts the suggested ones in their place.
Introduced in notebook 00, taken apart in notebook 03.
"""

from aigc_lab.label.suspects import errors, out_of_sample_probabilities, relabel

__all__ = ["errors", "out_of_sample_probabilities", "relabel"]

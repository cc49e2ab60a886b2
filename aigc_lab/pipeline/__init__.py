"""All seven stages on your own data, to one page: what was found, kept, trained, measured and exported.

    python -m aigc_lab.pipeline FOLDER --output results --licence "my own photographs"

``steps.run`` does the same from Python. Introduced in notebook 21.
"""

from aigc_lab.pipeline.parts import ISSUE_COLUMNS, Result, Row, Seen, Trained
from aigc_lab.pipeline.steps import decide, kind_of, look, run, split

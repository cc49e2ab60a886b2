"""What an exported model owes: copies, coverage of classes, watermark, cards, licences, hashes.

``python -m aigc_lab.audit MODEL_FOLDER`` writes one HTML page; ``report(folder)`` gives the same as data. The
licences of data sets, packages and weights are read by ``licences``. Introduced in notebook 20.
"""

from aigc_lab.audit import licences
from aigc_lab.audit.checks import RESULTS, Finding
from aigc_lab.audit.licences import Licence, strictest
from aigc_lab.audit.report import Report, report

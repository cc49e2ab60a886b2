"""Tables: say what each column may hold, find the cells that break it, mend what needs no guess.

A schema is a pandera schema; ``check`` turns what pandera reports into the findings table that every
detector returns, with one more column that names the column of the cell. Tables are pandas frames;
an item is a row, counted from 0 whatever the index says. Introduced in notebook 02.
"""

from aigc_lab.clean.table.checking import KINDS, check
from aigc_lab.clean.table.mending import NOTHING, mend
from aigc_lab.clean.table.rules import category, number, schema, schema_of, text

__all__ = ["KINDS", "NOTHING", "category", "check", "mend", "number", "schema", "schema_of", "text"]

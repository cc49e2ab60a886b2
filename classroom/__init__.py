"""To hand out, collect and mark the labs: assignments for Otter-Grader and nbgrader, and ``make grade``.

A teacher's side of the course; learners need none of it, and the library ``aigc_lab`` does not import it.
"""

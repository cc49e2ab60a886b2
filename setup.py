"""The build step that pyproject.toml cannot say: the notebooks become data of the installed package.

They lie in ``notebooks/``, outside of the package; a wheel holds them in ``aigc_lab/course/``. An editable
install takes them from where they are (see ``aigc_lab/__main__.py``).
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# The solved notebooks and, without their outputs, the students' ones.
NOTEBOOKS = sorted(
    path.as_posix() for pattern in ("*.ipynb", "student/*.ipynb") for path in Path("notebooks").glob(pattern)
)


class BuildWithNotebooks(build_py):
    """``build_py`` that also copies the notebooks."""

    def _copies(self) -> dict[str, str]:
        """The file to make in the build folder -> the notebook that it is a copy of."""
        course = Path(self.build_lib, "aigc_lab", "course")
        return {str(course / Path(name).relative_to("notebooks")): name for name in NOTEBOOKS}

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for target, source in self._copies().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target, preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return super().get_outputs(include_bytecode) + ([] if self.editable_mode else list(self._copies()))

    def get_source_files(self) -> list[str]:
        return super().get_source_files() + NOTEBOOKS


setup(cmdclass={"build_py": BuildWithNotebooks})

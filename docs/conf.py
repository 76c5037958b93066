"""Settings of the documentation: `make docs` builds it offline, with warnings as errors."""

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

import symgen

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from exports import elsewhere, exports  # noqa: E402

project = "symgen"
author = "The symgen developers"
project_copyright = author
release = version = symgen.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
templates_path = ["_templates"]
exclude_patterns = ["_templates"]
default_role = "code"  # docstrings write names between single backticks

html_theme = "furo"
html_title = "symgen"
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#9a4a00", "color-brand-content": "#9a4a00"},
    "dark_css_variables": {"color-brand-primary": "#ffb366", "color-brand-content": "#ffb366"},
}

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3
# Tutorials and concepts are executed when the pages are built, anew where their code changed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "executed")
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds for a cell, on a machine that is busy
nb_execution_in_temp = True
nb_merge_streams = True
nb_code_prompt_show = nb_code_prompt_hide = "the code of this picture"
nb_output_stderr = "remove-warn"  # what a page would warn its readers of fails the build
# Progress bars of kernels without widgets.
os.environ["PYTHONWARNINGS"] = 'ignore:IProgress not found,ignore:install "ipywidgets"'

autosummary_context = {
    "described_elsewhere": elsewhere(),
    "kinds": {
        room: {
            "classes": [name for name, value in values.items() if inspect.isclass(value)],
            "functions": [name for name, value in values.items() if not inspect.isclass(value)],
        }
        for room, values in exports().items()
    },
}
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

_LITERAL = re.compile(r"(``?[^`]+``?)")


def escape_emphasis(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]):
    """Escape stars, bars and trailing underscores of docstrings, which are signs of reST."""
    example = False
    for number, line in enumerate(lines):
        example = line.lstrip().startswith((">>>", "...")) or (example and bool(line.strip()))
        if not example:
            parts = _LITERAL.split(line)
            parts[::2] = [re.sub(r"(?<!\\)(\*(?=\S)|[|])", r"\\\1", part) for part in parts[::2]]
            lines[number] = "".join(parts)


_SEVERAL = re.compile(r":(param|ivar) ((?:[\\*\w]+, )+[\\*\w]+):(.*)")


def tell_one_by_one(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]):
    """Describe parameters that a docstring names together, `x, y: what they are`, each."""
    told, at = [], 0
    while at < len(lines):
        match, end = _SEVERAL.match(lines[at]), at + 1
        while end < len(lines) and lines[end].startswith(" "):
            end += 1
        if match is None:
            told += lines[at:end]
        else:
            kind, names, text = match.groups()
            for each in names.split(", "):
                told += [f":{kind} {each}:{text}", *lines[at + 1 : end]]
        at = end
    lines[:] = told


def skip_fields(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any):
    """Leave out the fields of named tuples, which the class's docstring describes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


_LIMITED = re.compile(r"(?:typing\.)?Annotated\[([^,]+?), (?:\w+\.)*Range\([^)]*\)\]")


def show_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
):
    """Show what a checked constructor takes, and numbers without the range that is checked."""
    if what == "class" and signature and signature.startswith("(*arguments"):
        taken = inspect.signature(obj).replace(return_annotation=inspect.Signature.empty)
        how = {"show_annotation": ":" in signature, "unqualified_typehints": True}
        signature = stringify_signature(taken, **how)
    return tuple(each and _LIMITED.sub(r"\1", each) for each in (signature, returned))


def setup(app: Sphinx) -> None:
    """Let docstrings be read as they are written."""
    app.connect("autodoc-process-docstring", escape_emphasis, priority=900)
    app.connect("autodoc-process-docstring", tell_one_by_one, priority=950)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("autodoc-skip-member", skip_fields)

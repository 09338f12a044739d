"""Formulas as MathML, made when the site is built: no script and no font is needed to show them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from latex2mathml.exceptions import (
    DenominatorNotFoundError,
    DoubleSubscriptsError,
    DoubleSuperscriptsError,
    ExtraLeftOrMissingRightError,
    InvalidStyleForGenfracError,
    InvalidWidthError,
    LimitsMustFollowMathOperatorError,
    MissingEndError,
    MissingSuperScriptOrSubscriptError,
    NoAvailableTokensError,
    NumeratorNotFoundError,
)
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_FAULTS = (
    DenominatorNotFoundError,
    DoubleSubscriptsError,
    DoubleSuperscriptsError,
    ExtraLeftOrMissingRightError,
    InvalidStyleForGenfracError,
    InvalidWidthError,
    LimitsMustFollowMathOperatorError,
    MissingEndError,
    MissingSuperScriptOrSubscriptError,
    NoAvailableTokensError,
    NumeratorNotFoundError,
)
_log = logging.getLogger(__name__)


def _markup(node: nodes.Node, latex: str, display: str) -> str:
    """MathML of a formula; a fault in it, or a command that is not known, is a warning at its place."""
    try:
        markup = convert(latex, display=display)
    except _FAULTS as fault:
        _log.warning("formula %r: %s", latex, type(fault).__name__, location=node)
        return ""
    if "\\" in markup or ">&<" in markup:
        _log.warning("formula %r: a command or environment that the converter does not know", latex, location=node)
    return markup


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_markup(node, node.astext(), "inline"))
    raise nodes.SkipNode


def _displayed(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="equation">{_markup(node, node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

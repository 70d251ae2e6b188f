"""Templates, and coloured source, for pages and notebooks."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from common.locale.language import _, spoken, taught
from common.locale.phrases import told
from common.shown.code import HANGING
from common.shown.words import digits, megabytes, percent, seconds, sentence_of, times_words

#: Pygments' styles for the two schemes.
LIGHT, DARK = "friendly", "github-dark"


def template(name: str) -> Template:
    """A template of the project's, which escapes what it is given."""
    environment = Environment(
        loader=PackageLoader("common.shown", "pages"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_=_, told=told, taught=taught, spoken=spoken)
    environment.globals.update(times_words=times_words)
    environment.filters.update(
        seconds=seconds, percent=percent, megabytes=megabytes, digits=digits, sentence=sentence_of
    )
    found: Template = environment.get_template(f"{name}.jinja")
    return found


def coloured(code: str, *, noclasses: bool = False) -> Markup:
    """Python source in colours, character for character; with `noclasses` needing no style.

    Every line is a block of its own, so that what is wrapped hangs under its own indentation.
    """
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    lines = highlight(code, lexer, HtmlFormatter(nowrap=True, noclasses=noclasses)).split("\n")
    texts = code.split("\n")
    ends = ["\n"] * (len(texts) - 1) + [""]
    return Markup("").join(
        Markup('<span style="{}">{}{}</span>').format(hanging(text), Markup(line), end)
        for text, line, end in zip(texts, lines, ends, strict=False)
    )


def hanging(line: str) -> str:
    """The style of a line of code: what does not fit goes on below, further in than it began."""
    inwards = len(line) - len(line.lstrip(" ")) + HANGING
    return f"display:block;padding-left:{inwards}ch;text-indent:-{inwards}ch"


def styles() -> Markup:
    """Colours of the source, light and dark."""
    light = HtmlFormatter(style=LIGHT).get_style_defs(".code")
    dark = HtmlFormatter(style=DARK).get_style_defs(".code")
    return Markup(f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}")


def script_safe(text: str) -> str:
    """A library's text so that nothing in it can end the script element."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")

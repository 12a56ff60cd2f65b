"""The pages' templates and their style."""

from functools import cache
from importlib.resources import files as package_files

from jinja2 import BaseLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from autotune.config.enums import CardLanguage
from autotune.reporting.texts import numbers, texts, translated

ASSETS = package_files("autotune").joinpath("assets", "report")


@cache
def template(name: str, language: CardLanguage | None = None) -> Template:
    """Returns a template with holes for what is known of a run; every value is escaped.

    Args:
        name: of the file, without its ending.
        language: language of its own words and numbers; None for a template without any.
    """
    environment = Environment(loader=BaseLoader(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                              autoescape=True)  # fmt: skip
    if language is not None:
        environment.globals |= {"t": texts(language), "m": translated(language)}
        environment.filters |= {"number": numbers(language)}
    return environment.from_string(ASSETS.joinpath(f"{name}.html.jinja").read_text("utf-8"))


@cache
def style() -> Markup:
    """Returns the style sheet of the pages."""
    return Markup(ASSETS.joinpath("report.css").read_text("utf-8"))

"""Determines the licence of a model from the licences of its base model and its data."""

from dataclasses import dataclass

_PERMISSIVE = """
apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear isc zlib unlicense wtfpl cc0-1.0 pddl
odc-by cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cdla-permissive-1.0 cdla-permissive-2.0 afl-3.0 ncsa
postgresql bsl-1.0
"""
PERMISSIVE = frozenset(_PERMISSIVE.split())
"""Licences that require at most attribution; combined with a stricter licence, the stricter one applies."""


@dataclass(frozen=True)
class EffectiveLicense:
    """The licence of a model, and those it follows from."""

    id: str | None
    """Licence for the card's metadata; None if no licence is known."""
    base: str | None
    data: str | None
    contradiction: bool = False
    """Whether the licences of base model and data are incompatible with each other or with the stated one."""


def effective_license(base: str | None, data: str | None, stated: str | None) -> EffectiveLicense:
    """Returns the licence of a model.

    Args:
        base: licence of the base model.
        data: licence of the data.
        stated: `hub.license`, which takes precedence.
    """
    if stated is not None:
        contradiction = _conflicts(base, stated) or _conflicts(data, stated)
        return EffectiveLicense(stated, base, data, contradiction=contradiction)
    known = list(dict.fromkeys(license for license in (base, data) if license and license != "unknown"))
    restrictive = [license for license in known if license not in PERMISSIVE]
    if len(restrictive) > 1:
        return EffectiveLicense("other", base, data, contradiction=True)
    return EffectiveLicense(next(iter(restrictive or known), None), base, data)


def _conflicts(license: str | None, stated: str) -> bool:
    """Whether a licence may require more than the stated one: it is neither permissive nor the same."""
    return license is not None and license not in PERMISSIVE and license not in ("unknown", stated)

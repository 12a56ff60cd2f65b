"""Which licence a model carries: that of its base model and of its data, where these go together."""

from dataclasses import dataclass

_FREE = """
apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear isc zlib unlicense wtfpl cc0-1.0 pddl
odc-by cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cdla-permissive-1.0 cdla-permissive-2.0 afl-3.0 ncsa
postgresql bsl-1.0
"""
FREE = frozenset(_FREE.split())
"""Those that ask for no more than credit, so that a stricter one beside them decides."""


@dataclass(frozen=True)
class EffectiveLicense:
    """What a model carries."""

    id: str | None
    """For the card's metadata; None where nothing is known."""
    base: str | None
    data: str | None
    contradiction: bool = False
    """Base model and data ask for different things, and neither gives way."""


def effective_license(base: str | None, data: str | None, stated: str | None) -> EffectiveLicense:
    """The licence that a model carries.

    Args:
        base: of the base model.
        data: of the data.
        stated: `hub.license`, which decides.
    """
    if stated is not None:
        return EffectiveLicense(
            stated, base, data, contradiction=_strict(base, stated) or _strict(data, stated)
        )
    known = list(dict.fromkeys(one for one in (base, data) if one and one != "unknown"))
    strict = [one for one in known if one not in FREE]
    if len(strict) > 1:
        return EffectiveLicense("other", base, data, contradiction=True)
    return EffectiveLicense(next(iter(strict or known), None), base, data)


def _strict(one: str | None, stated: str) -> bool:
    """Whether a licence asks for more than the one that was stated may give."""
    return one is not None and one not in FREE and one not in ("unknown", stated)

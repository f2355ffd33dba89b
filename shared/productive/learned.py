"""What an endpoint was found not to take, so that it is asked rightly at once the next time."""

from __future__ import annotations

import msgspec


class Learned(msgspec.Struct, frozen=True, omit_defaults=True):
    """Findings about one table's endpoint; stored as JSON between runs.

    `no_cursor` is about the list in its own order, `no_sorted_cursor` about one that is asked for sorted.
    Filters are named by what they filter by (`updated_at`), not by their parameter. `restless` says that
    the last page-number walk was disturbed in all its attempts: the next one makes just one, because what
    never holds still, or never sums up to its total, would cost all of them each time.
    """

    refused_includes: tuple[str, ...] = ()
    refused_filters: tuple[str, ...] = ()
    refused_sorts: tuple[str, ...] = ()
    no_cursor: bool = False
    no_sorted_cursor: bool = False
    no_fieldsets: bool = False
    use_fallback_path: bool = False
    restless: bool = False

    def without(
        self,
        *,
        includes: tuple[str, ...] = (),
        filters: tuple[str, ...] = (),
        sorts: tuple[str, ...] = (),
    ) -> Learned:
        """The same with these refused, too."""
        return msgspec.structs.replace(
            self,
            refused_includes=_joined(self.refused_includes, includes),
            refused_filters=_joined(self.refused_filters, filters),
            refused_sorts=_joined(self.refused_sorts, sorts),
        )


def _joined(known: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*known, *new}))

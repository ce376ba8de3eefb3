"""For a person who teaches a room: who is ready, the room's own server, and what the room learned."""

from labutils.lazy import lazy_names

_NAMES = {
    "cohort": ["Person", "read_folder"],
    "cohort_page": ["page"],
    "readiness": ["decode", "encode", "measure"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)

"""Named sets, a file per kind: each is a function that gives raw data, registered where it stands by `@named`."""

from genus.data.named import embedded, images, sequences, tables, text, toys
from genus.data.named.registry import NAMED, File, Named, named
from genus.data.named.toys import toy_log_density

__all__ = ["NAMED", "File", "Named", "named", "toy_log_density"]

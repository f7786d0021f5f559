"""Every target by its name."""

from __future__ import annotations

from fuzz.targets.decoders import DECODERS
from fuzz.targets.joining import JOINING
from fuzz.targets.layouts import LAYOUTS
from fuzz.targets.processing import PROCESSING
from fuzz.targets.readers import OTHERS
from fuzz.targets.stored import STORED
from fuzz.targets.target import Target

TARGETS: dict[str, Target] = {
    target.name: target for target in (*DECODERS, *STORED, *PROCESSING, *JOINING, *LAYOUTS, *OTHERS)
}

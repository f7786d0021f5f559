"""Every target by its name."""

from __future__ import annotations

from fuzz.targets.archives import ARCHIVES
from fuzz.targets.decoders import DECODERS
from fuzz.targets.forging import FORGING
from fuzz.targets.joining import JOINING
from fuzz.targets.layouts import LAYOUTS
from fuzz.targets.processing import PROCESSING
from fuzz.targets.readers import OTHERS
from fuzz.targets.stored import STORED
from fuzz.targets.target import Target

GROUPS = (DECODERS, STORED, PROCESSING, FORGING, JOINING, LAYOUTS, ARCHIVES, OTHERS)
TARGETS: dict[str, Target] = {target.name: target for group in GROUPS for target in group}

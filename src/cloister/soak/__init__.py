"""A circle of real processes under load, with faults, for as long as one likes; and its verdict.

``driver`` puts it together: ``circle`` stands it up by the means of the demo, ``load`` talks,
``nemesis`` does harm, ``watch`` looks at memory and files, ``judge`` reads every screen in the end.
"""

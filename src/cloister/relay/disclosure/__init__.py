"""What a relay could be made to hand over, from its own files: `cloister relay disclose`.

``declaration`` is how something kept is declared; ``stored``, ``shares`` and ``books`` declare
every column of the three databases, ``surroundings`` every file and every line of the log;
``inventory`` lays this beside what is really there; ``subject`` gathers all about one handle or
channel; ``text`` says both in words.

A test compares the declarations with the schemas, the folder and the source: what is not declared
does not pass.
"""

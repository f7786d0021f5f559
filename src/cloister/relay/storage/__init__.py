"""The relay's storage: a narrow contract (``api``, read it first) and its native backends."""

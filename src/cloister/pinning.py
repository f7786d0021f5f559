"""TLS towards a relay: the one certificate that is believed is the pinned one."""

from __future__ import annotations

import ssl


class PinnedContext(ssl.SSLContext):
    """A client context that demands a certificate, and whose connections write no file."""

    @property
    def verify_mode(self) -> ssl.VerifyMode:  # type: ignore[override]
        """Answer that no names are to be read off a certificate.

        What OpenSSL demands stands in its own structure: a client's default, ``CERT_REQUIRED``,
        which cannot be changed through here.  The only one who asks is aiofastnet 1.2.0, and then
        reads names that nobody here wants by way of a temporary file.  That file would say which
        relays a device talks to, a full disk would cut the device off, and it takes a quarter of
        the time of connecting.
        """
        return ssl.CERT_NONE


def pinned_context(certificate: bytes | None) -> ssl.SSLContext:
    """Return a TLS 1.3 client context whose only trust anchor is ``certificate`` (DER).

    Host names are not compared: the pin is the name.  As the anchor could have signed another
    certificate, whoever connects compares the one that was shown.  ``None``: nothing is
    authenticated; right only where what is fetched carries its own authentication.

    Raises ``ValueError`` or ``ssl.SSLError`` for what is no certificate.
    """
    if certificate is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context

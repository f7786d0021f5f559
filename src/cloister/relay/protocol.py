"""The home's whole protocol: its services, put together behind one table of requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cloister.crypto.entropy import Entropy
from cloister.relay.accounts import Accounts
from cloister.relay.dispatch import Dispatch, Shares
from cloister.relay.folder import Identity
from cloister.relay.services.adopting import Adoptions
from cloister.relay.services.channels import Channels
from cloister.relay.services.context import Context
from cloister.relay.services.founding import Foundings
from cloister.relay.services.log import Logs
from cloister.relay.services.mailboxes import Mailboxes
from cloister.relay.services.parts import Parts
from cloister.relay.services.seats import Seats
from cloister.relay.shares.tickets import TicketOffice
from cloister.roster.relay_card import RelayCard


class HomeProtocol:
    """The services of a home over any store; sockets, upkeep and files are whoever's makes it."""

    def __init__(
        self,
        context: Context,
        identity: Identity,
        accounts: Accounts,
        *,
        peers: Callable[[], Mapping[bytes, RelayCard]],
        is_code: Callable[[bytes], bool],
        entropy: Entropy,
        make_shares: Callable[[Logs, Seats], Shares],
    ) -> None:
        """``peers``: the entry relays of the operator's list by relay id; ``is_code``: whether a
        code of this hash was handed out; ``make_shares``: gives the service of unlock shares."""
        card, key = identity.card, identity.key
        self.seats: Final = Seats(context, accounts, card.relay_id, key)
        self.logs: Final = Logs(context, card.name, key)
        tickets = TicketOffice(card.relay_id, key)
        channels = Channels(context, self.seats)
        mailboxes = Mailboxes(context, self.seats, tickets, self.logs.share_relays_of)
        foundings = Foundings(
            context,
            self.logs,
            self.seats,
            tickets,
            card=card,
            peers=peers,
            is_code=is_code,
            entropy=entropy,
        )
        self.dispatch: Final = Dispatch(
            context,
            channels,
            mailboxes,
            Parts(context, channels, mailboxes),
            self.logs,
            foundings,
            self.seats,
            make_shares(self.logs, self.seats),
            Adoptions(context, self.logs, foundings, self.seats, card=card, peers=peers),
        )

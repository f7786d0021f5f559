"""Which flow carries out which act of power."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cloister.client import (
    contact_acts,
    following,
    governing,
    governing_devices,
    governing_holds,
    governing_home,
    governing_offices,
    powers,
    resetting,
    said_again,
    taking_out,
    withdrawing,
)
from cloister.client.inputs import Act
from cloister.client.turn import Turn

_HANDLERS: Final[Mapping[type[Act], Callable[[Turn, Any], None]]] = {
    powers.Suspend: governing.on_suspend,
    powers.Reinstate: governing.on_reinstate,
    powers.WithdrawInvitation: withdrawing.on_withdraw_invitation,
    powers.WithdrawVouch: withdrawing.on_withdraw_vouch,
    powers.Object: governing.on_object,
    powers.SetPolicy: governing.on_set_policy,
    powers.OfferStewardKey: governing_offices.on_offer,
    powers.ProposeStewards: governing_offices.on_propose_stewards,
    powers.ProposeRelays: governing_offices.on_propose_relays,
    powers.MoveHome: governing_home.on_move_home,
    powers.BringCircle: governing_home.on_bring,
    powers.BringCircle: governing_home.on_bring,
    powers.FollowHome: following.on_follow,
    powers.StopFollowing: following.on_stop,
    powers.Approve: governing_offices.on_approve,
    powers.Refuse: governing_offices.on_refuse,
    powers.LockDevice: governing_devices.on_lock,
    powers.UnlockDevice: governing_devices.on_unlock,
    powers.ConsentToUnlock: governing_devices.on_consent,
    powers.EraseDevice: governing_devices.on_erase,
    powers.RetireDevice: governing_devices.on_retire,
    powers.TakeHistory: taking_out.on_take_history,
    contact_acts.RestoreSaid: said_again.on_restore_said,
    powers.PlaceHold: governing_holds.on_place,
    powers.ResetCommons: resetting.on_reset,
    powers.ReleaseHold: governing_holds.on_release,
}


def exercise(turn: Turn, act: Act) -> bool:
    """Carry an act of power out; return whether it was one.  Raises ``CloisterError``."""
    handler = _HANDLERS.get(type(act))
    if handler is None:
        return False
    handler(turn, act)
    return True

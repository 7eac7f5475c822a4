"""All that is known of one shard of users; every heavy function is a pure function of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homing.schema.decisions import Decisions
from homing.schema.events import Events, Sends
from homing.schema.messages import Messages, Opportunities
from homing.schema.users import Consents, Users
from homing.schema.vocabulary import EVENT_TYPES, Vocabularies


@dataclass(frozen=True)
class Shard:
    """Users of one hash partition with everything that refers to them."""

    vocabularies: Vocabularies
    messages: Messages
    users: Users
    consents: Consents
    opportunities: Opportunities
    events: Events
    decisions: Decisions

    def sends(self) -> Sends:
        """Return what caps count: logged sends, and deliveries that no logged send explains.

        A send is known from its decision's epoch on; an unexplained delivery from its own time on.
        """
        sent = np.flatnonzero(self.decisions.message >= 0)
        delivered = np.flatnonzero(
            (self.events.type == EVENT_TYPES.index("delivered")) & (self.events.channel >= 0)
        )
        decision = self.events.decision[delivered]
        explained = decision >= 0
        explained[explained] = self.decisions.message[decision[explained]] >= 0
        delivered = delivered[~explained]
        event_user = np.repeat(np.arange(len(self.users)), np.diff(self.events.offsets))
        user = np.concatenate([self.decisions.user[sent], event_user[delivered]])
        at = np.concatenate([self.decisions.slot_start[sent], self.events.at[delivered]])
        order = np.lexsort((at, user))
        channel = np.concatenate([self.decisions.channel[sent], self.events.channel[delivered]])
        known = np.concatenate([self.decisions.epoch_at[sent], self.events.at[delivered]])
        counts = np.bincount(user, minlength=len(self.users))
        return Sends(
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            at=at[order],
            channel=channel[order],
            known_at=known[order],
        )

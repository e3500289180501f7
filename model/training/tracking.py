"""An auxiliary training task: links between the words of a story that tell where everyone and everything is after each fact.

A story asks one question but tells dozens of such facts about itself. Drawing them from the states of a layer below the last
teaches what the question needs (an auxiliary loss as in Hu et al. 2019's strong supervision of evidence, but at every word).
"""

# b window · t token · r relation · k feature of a link

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from model.recall.encoder import Encoder
from model.training.invented import GAVE, LEFT, TOOK, WENT

__all__ = ["RELATIONS", "Link", "TokenLink", "Tracker", "track"]

RELATIONS = ("place", "thing's place", "holder", "carried", "place before", "support")
"""From a person, a thing or a place to the word that tells; from the window's first token to the facts that answer."""
PLACE, THINGS_PLACE, HOLDER, CARRIED, BEFORE, SUPPORT = range(len(RELATIONS))
FEATURES = 64

Word = tuple[int, str]
"""Number of a fact, and one of its words."""
Link = tuple[int, Word, tuple[Word, ...]]
"""Relation, from where, to where; to nowhere when nothing is carried."""
TokenLink = tuple[int, int, tuple[int, ...]]
"""The same between tokens of a window; what is carried points at the first token when it is nothing."""

MOVE = re.compile(rf"(\w+) (?:{'|'.join(WENT)}) the (\w+)")
TAKE = re.compile(rf"(\w+) (?:{'|'.join(TOOK)}) the (\w+)")
LEAVE = re.compile(rf"(\w+) (?:{'|'.join(LEFT)}) the (\w+)")
GIVE = re.compile(rf"(\w+) (?:{'|'.join(GAVE)}) the (\w+) to (\w+)")


def track(facts: Sequence[str]) -> list[Link]:
    """Links between the words of a story's facts; facts of other kinds are passed over."""
    where: dict[str, Word] = {}  # of a person
    held: dict[str, tuple[str, Word]] = {}  # of a thing: its holder, and where that was told
    links: list[Link] = []
    for number, fact in enumerate(facts):
        if told := MOVE.match(fact):
            person, place = told.groups()
            here = (number, place)
            if person in where:
                links.append((BEFORE, here, (where[person],)))
            where[person] = here
            links.append((CARRIED, here, tuple(word for holder, word in held.values() if holder == person)))
        elif told := GIVE.match(fact) or TAKE.match(fact) or LEAVE.match(fact):
            thing, person = told[2], told[3] if told.re is GIVE else told[1]
            if told.re is LEAVE:
                held.pop(thing, None)
            else:
                links.append((HOLDER, (number, thing), ((number, person),)))
                held[thing] = (person, (number, thing))
            if person in where:
                links.append((THINGS_PLACE, (number, thing), (where[person],)))
        if told and told[1] in where:
            links.append((PLACE, (number, told[1]), (where[told[1]],)))
    return links


class Tracker(nn.Module):
    """Draws links from the states two thirds up the layers, support from the last; only training has it.

    The encoder's states are kept from its last reading.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.query, self.key = (nn.ModuleList(nn.Linear(encoder.config.width, FEATURES) for _ in RELATIONS) for _ in range(2))
        self.states: dict[str, Tensor] = {}
        for name, layer in (("links", encoder.layers[len(encoder.layers) * 2 // 3 - 1]), ("support", encoder.layers[-1])):
            layer.register_forward_hook(lambda _layer, _inputs, output, name=name: self.states.__setitem__(name, output))

    def loss(self, links: Sequence[Sequence[TokenLink]], valid: Tensor, shift: int) -> Tensor:
        """Mean of minus the log-probabilities of each window's links (relation, from token, to tokens); ``valid`` [b, t].

        Tokens are counted without the ``shift`` persistent ones in front.
        """
        total, count = torch.zeros((), device=valid.device), 0
        numbers = partial(torch.tensor, device=valid.device)
        by_relation: dict[int, list[TokenLink]] = defaultdict(list)
        for window, drawn in enumerate(links):
            for relation, origin, targets in drawn:
                by_relation[relation].append((window, origin, targets))
        for relation, drawn in by_relation.items():
            states = self.states["support" if relation == SUPPORT else "links"][:, shift:]
            windows, origins = numbers([d[0] for d in drawn]), numbers([d[1] for d in drawn])
            scores = (self.query[relation](states) @ self.key[relation](states).mT).float()[windows, origins] * FEATURES**-0.5
            chances = scores.masked_fill(~valid[windows], -torch.inf).log_softmax(-1)
            rows = numbers([i for i, d in enumerate(drawn) for _ in d[2]])
            ends = numbers([target for d in drawn for target in d[2]])
            shares = numbers([1 / len(d[2]) for d in drawn for _ in d[2]])
            total = total - (chances[rows, ends] * shares).sum()
            count += len(drawn)
        return total / max(1, count)

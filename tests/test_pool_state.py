"""The pool's decisions, without any server: whatever happens in whatever order, the counts balance."""

from __future__ import annotations

import gc
import random
from collections import Counter
from typing import Any

import pytest

from pgfast.errors import InterfaceError
from pgfast.pool.agenda import Agenda, Job, Task
from pgfast.pool.slots import FIRST_DELAY_S, MOST_DELAY_S, MOVES, Attempts, Slot, Where
from pgfast.pool.state import Limits, PoolState, Waiter


class Owner:
    """Stands for the pool."""

    name = "walked"


class Connection:
    """Stands for a connection."""

    _slot: Any = None


def limits(**changed: Any) -> Limits:
    given = {"min_size": 2, "max_size": 4, "max_waiting": 0, "max_lifetime": 100.0, "max_idle": 10.0}
    return Limits(**{**given, "reconnect_timeout": 5.0, **changed})


class Walk:
    """A pool's state with clients and workers that do whatever the dice say."""

    def __init__(self, seed: int, keeps: bool) -> None:
        self.dice = random.Random(seed)
        self.owner = Owner()
        least = 2 if keeps else 0
        self.state = PoolState("walked", limits(min_size=least, keeps=keeps), self.owner)
        self.now = 0.0
        self.lent: list[Connection] = []
        self.waiters: list[Waiter] = []
        self.jobs: list[Job] = []
        self.closed = 0
        self.made = 0
        self.state.open(self.now)

    def step(self) -> None:
        self.now += self.dice.random()
        steps = [
            self.ask,
            self.ask,
            self.give_back,
            self.give_back,
            self.leave,
            self.look,
            self.work,
            self.work,
            self.work,
        ]
        self.dice.choice([*steps, self.forget, self.resize, self.drain, self.check])()
        self.closed += len(self.state.dropped)
        self.state.dropped.clear()
        self.verify()

    def ask(self) -> None:
        found = self.state.take(self.now)
        if isinstance(found, Slot):
            if self.dice.random() < 0.3:
                self.state.not_made_for_client(found)
                return
            self.made += 1
            found = self.state.made_for_client(found, Connection(), self.now, self.now)
        if found is None:
            waiter = Waiter(lambda: None)
            self.waiters.append(waiter)
            self.state.queue(waiter)
        else:
            self.lent.append(found)

    def look(self) -> None:
        for waiter in [waiter for waiter in self.waiters if waiter.ready]:
            self.waiters.remove(waiter)
            if waiter.connection is not None:
                self.lent.append(waiter.connection)

    def leave(self) -> None:
        if self.waiters:
            self.state.leave(self.waiters.pop(self.dice.randrange(len(self.waiters))), self.now)

    def give_back(self) -> None:
        if self.lent:
            connection = self.lent.pop(self.dice.randrange(len(self.lent)))
            slot = self.state.take_back(connection, self.now)
            if self.dice.random() < 0.3:
                self.state.tidy_later(slot)
            else:
                self.state.settle(slot, self.now, good=self.dice.random() < 0.8)

    def forget(self) -> None:
        if self.lent:
            del self.lent[self.dice.randrange(len(self.lent))]
            gc.collect(0)
            self.closed += len(self.state.forgotten)
            self.state.reclaim()

    def resize(self) -> None:
        if self.state.limits.keeps:
            self.state.resize(self.dice.randint(1, 3), self.dice.randint(3, 6))

    def drain(self) -> None:
        self.state.drain(self.now)

    def check(self) -> None:
        for slot in self.state.take_idle():
            self.state.settle(slot, self.now, good=self.dice.random() < 0.8, counted_as="connections_lost")

    def work(self) -> None:
        job = self.state.agenda.take(self.now)
        if job is None:
            return
        if job.task is Task.TEND or job.slot is None:
            self.state.tend(self.now)
        elif job.task is Task.TIDY:
            self.state.settle(job.slot, self.now, good=self.dice.random() < 0.8)
        elif self.dice.random() < 0.6:
            self.made += 1
            self.state.arrived(job.slot, Connection(), self.now, self.now)
        else:
            self.state.not_arrived(job.slot, self.now)

    def places(self) -> Counter[Where]:
        waiting = sum(waiter.ready for waiter in self.waiters)
        agenda = self.state.agenda
        jobs = [*agenda._urgent, *agenda._due, *(entry[2] for entry in agenda._later)]
        found = Counter(job.slot.where for job in jobs if job.slot is not None)
        found[Where.IDLE] += len(self.state.idle)
        found[Where.LENT] += len(self.lent) + waiting
        return found

    def verify(self) -> None:
        """Every slot is where it says, and every connection made is in one of them or was closed."""
        found = self.places()
        assert found[Where.GONE] == 0
        assert sum(found.values()) == self.state.size
        assert found[Where.LENT] == len(self.state.lent)
        assert found[Where.CONNECTING] == self.state._connecting
        assert self.made - self.closed == self.state.size - found[Where.CONNECTING]
        assert not (self.state.idle and self.state.waiting)


@pytest.mark.parametrize("keeps", [True, False], ids=["keeping", "null"])
@pytest.mark.parametrize("seed", range(25))
def test_counts_balance_after_every_step_of_a_random_walk(seed: int, keeps: bool) -> None:
    walk = Walk(seed, keeps)
    for _ in range(400):
        walk.step()
    idle = walk.state.close()
    assert all(waiter.error is not None or waiter.connection for waiter in walk.waiters)
    walk.look()
    while walk.lent:
        walk.state.settle(walk.state.take_back(walk.lent.pop(), walk.now), walk.now, good=True)
    assert walk.state.size == 0
    assert walk.made == walk.closed + len(walk.state.dropped) + len(idle)


def test_a_slot_goes_only_ways_there_are() -> None:
    assert set(MOVES) == set(Where)
    state = PoolState("ways", limits(), Owner())
    slot = state._new(Where.CONNECTING)
    state._move(slot, Where.GONE)
    with pytest.raises(InterfaceError, match="cannot go from GONE to IDLE"):
        state._move(slot, Where.IDLE)
    assert state.size == 0


def test_attempts_double_their_delay_until_it_is_time_to_give_up() -> None:
    attempts, now, delays = Attempts(0.0, 100.0), 0.0, []
    while (at := attempts.next_at(now)) is not None:
        delays.append(at - now)
        now = at
    assert delays[0] == pytest.approx(FIRST_DELAY_S, rel=0.11)
    assert delays[1] == pytest.approx(2 * FIRST_DELAY_S, rel=0.11)
    assert max(delays) <= MOST_DELAY_S * 1.1
    assert now == 100.0


def test_returned_connections_come_before_new_ones_on_the_agenda() -> None:
    agenda, slot = Agenda(), Slot(Where.CONNECTING)
    woken: list[int] = []
    agenda.wake = lambda: woken.append(1)
    agenda.put_later(Job(Task.CONNECT, slot), 5.0)
    assert agenda.take(4.0) is None
    assert agenda.next_at(4.0) == 5.0
    agenda.put(Job(Task.CONNECT, slot))
    agenda.put(Job(Task.TIDY, slot))
    agenda.hurry()
    assert [job.task for job in iter(lambda: agenda.take(4.0), None)] == [Task.TIDY, Task.CONNECT, Task.CONNECT]
    assert len(woken) == 4
    assert agenda.next_at(4.0) is None

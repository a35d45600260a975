"""Is a recorded history of concurrent calls explained by some order of them, one at a time?

An order explains a history when each call lies between its sending and its answer and gives what it gave. The search keeps
every state that the store may be in, with the calls that have taken effect but are not answered yet (Lowe, "Testing for
linearizability": just-in-time linearization). A call that was never answered may take effect at any later time, or never,
until the process that had it is known to be gone.

A state is the value of each key, None for an absent one; a listing is one call on all keys.
"""

from collections import namedtuple

# `kind`: put, get, delete, create (if absent), swap (if the value is `old`), list. `result` is what came back:
# True for a change that was made, False for one refused by its condition, the value or None of a get, the state that a list
# showed. A change that was refused without saying why (409) has the result "raced": it did nothing.
Call = namedtuple("Call", "kind key value old result", defaults=(None, None, None, None))
UNANSWERED = object()


def effect(state, call):
    """The state after `call`, or None if it cannot have given its result in `state`."""
    if call.kind == "list":
        return state if call.result is UNANSWERED or call.result == state else None
    now = state[call.key]
    unknown = call.result is UNANSWERED
    if call.result == "raced":
        return state
    if call.kind == "get":
        return state if unknown or call.result == now else None
    holds = {"put": True, "delete": True, "create": now is None, "swap": now is not None and now == call.old}[call.kind]
    if not unknown and holds != call.result:
        return None
    if not holds:
        return state
    return (*state[:call.key], call.value, *state[call.key + 1:])


class NotLinearizable(AssertionError):
    pass


def explain(events, keys):
    """Checks `events`, in the order in which they happened: ("call", id, Call) with the result UNANSWERED when a call is sent,
    ("answer", id, Call) when its answer is there, ("gone", id, Call) when an unanswered one cannot take effect any more. Raises
    NotLinearizable."""
    answers = {number: call for _, number, call in events}  # the answer, where there is one
    pending = set()
    # (state, calls that took effect and are not answered)
    configurations = {((None,) * keys, frozenset())}
    for at, (what, number, _) in enumerate(events):
        if what == "call":
            pending.add(number)
            continue
        without = {each for each in configurations if what == "gone" and number not in each[1]}
        configurations = after_answer(configurations, number, pending, answers) | without
        pending.discard(number)
        if not configurations:
            raise NotLinearizable(f"{answers[number]} fits nowhere; before it:\n" + story(events[:at + 1], answers))
    return len(configurations)


def after_answer(configurations, number, pending, answers):
    """All configurations in which call `number` has taken effect, reached by letting pending calls take effect."""
    reached, seen, left = set(), set(configurations), list(configurations)
    while left:
        state, done = left.pop()
        if number in done:
            reached.add((state, done - {number}))
            continue
        for each in pending - done:
            after = effect(state, answers[each])
            if after is None:
                continue
            following = (after, done | {each})
            if following not in seen:
                seen.add(following)
                left.append(following)
    return reached


def story(events, answers, last=40):
    return "\n".join(f"  {what} {number} {answers.get(number)}" for what, number, _ in events[-last:])

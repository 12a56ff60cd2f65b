from hypothesis import given
from hypothesis import strategies as st

from autotune.tasks.windows import most_central, windows


@given(st.integers(0, 400), st.integers(2, 60), st.data())
def test_windows_hold_every_token_and_share_the_overlap(length, room, data):
    overlap = data.draw(st.integers(0, room - 1))
    spans = windows(length, room, overlap)
    covered = {position for start, end in spans for position in range(start, end)}
    assert covered == set(range(length))
    assert all(end - start <= room for start, end in spans)
    assert all(left[1] - right[0] >= overlap for left, right in zip(spans, spans[1:], strict=False))


@given(st.integers(1, 300), st.integers(2, 40), st.data())
def test_a_token_is_answered_for_where_its_poorer_context_is_largest(length, room, data):
    spans = windows(length, room, data.draw(st.integers(0, room - 1)))
    position = data.draw(st.integers(0, length - 1))

    def context(span):
        return min(position - span[0], span[1] - 1 - position) if span[0] <= position < span[1] else -1

    assert context(spans[most_central(position, spans)]) == max(map(context, spans))


def test_a_text_that_fits_is_one_window():
    assert windows(10, 10, 3) == [(0, 10)]
    assert windows(0, 10, 3) == [(0, 0)]
    assert windows(11, 10, 3) == [(0, 10), (1, 11)]

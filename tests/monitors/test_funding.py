"""Funding: what is paid is counted once, though every payment is two entries."""

from consumers.funding import Funding
from stream_engine.messages import events as e
from tests.monitors.story import TOKEN, USD, VENUE, Story


def test_what_was_paid_is_the_sum_of_what_the_payers_paid() -> None:
    funding = Funding(VENUE)
    story = Story(funding.observe).listed()
    story.tell(e.FundingSettled, TOKEN, 100, 0, 10_000)
    story.tell(e.FundingPaid, TOKEN, ((7, 30 * USD, 0), (8, -20 * USD, 0), (9, -10 * USD, 0)))
    story.tell(e.FundingPaid, TOKEN, ((10, 5 * USD, 0), (11, -5 * USD, 0)))
    assert (funding.settlements, funding.paid) == (1, 35 * USD)

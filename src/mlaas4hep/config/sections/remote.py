"""How long servers are waited for, and how often they are asked again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlaas4hep.config.fields import Real, Whole
from mlaas4hep.config.sections.section import Section

__all__ = ["Remote"]

Seconds = Annotated[Real, Field(gt=0.0)]


class Remote(Section):
    """The one policy for reading from servers, of whatever kind; it changes no result."""

    connection_timeout: Seconds = Field(default=8.0, description="Seconds until a server has to take a connection.")
    request_timeout: Seconds = Field(default=15.0, description="Seconds until a request has to be answered.")
    stream_timeout: Seconds = Field(
        default=10.0, description="Seconds after which an XRootD connection without any traffic counts as broken."
    )
    retries: Whole = Field(
        default=50, ge=0, description="Further attempts without progress, where a fault may heal; 0: none."
    )
    longest_pause: Seconds = Field(
        default=3.0, description="Seconds of the longest pause between two attempts; pauses grow up to it."
    )
    give_up_after: Seconds = Field(
        default=35.0, description="Seconds without progress after which no further attempt is begun."
    )

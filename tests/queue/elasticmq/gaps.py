"""What ElasticMQ leaves out of a queue's attributes, put in so that the rest can be judged.

Without it every test that counts a backlog would fail of the same two gaps, and say nothing more.
"""

import json
from dataclasses import replace
from typing import Any

from gomail.http import AiohttpTransport, Response

LEFT_OUT = {"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600"}
"""As SQS has them of a queue that was made without; ElasticMQ knows neither."""


class Completed(AiohttpTransport):
    """Talks to ElasticMQ."""

    async def request(self, method: str, url: str, **given: Any) -> Response:
        response = await super().request(method, url, **given)
        if response.status != 200 or not asks_for_attributes(given["headers"]):
            return response
        answer = json.loads(response.body)
        answer["Attributes"] = LEFT_OUT | answer["Attributes"]
        return replace(response, body=json.dumps(answer).encode())


def asks_for_attributes(headers: dict[str, str]) -> bool:
    return headers.get("X-Amz-Target") == "AmazonSQS.GetQueueAttributes"

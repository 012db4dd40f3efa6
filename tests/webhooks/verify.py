"""Verifies webhook messages with the Standard Webhooks' library: one JSON command a line on standard
input (secret, headers, body), one JSON answer. It decides nothing: tests/gateway/webhooks does.

    verify.py --ca FILE     (the file is not used: nothing is connected)
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    command = json.loads(line)
    answer = {"id": command["id"]}
    try:
        answer["verified"] = Webhook(command["secret"]).verify(command["body"], command["headers"])
    except WebhookVerificationError as error:
        answer["refused"] = str(error)
    except Exception as error:  # told to the test, which fails
        answer["raised"] = repr(error)
    print(json.dumps(answer), flush=True)

"""The route that Prometheus reads. The gateway does not pass it on."""

import hmac

from flask import Response, current_app
from flask.views import MethodView

from ..errors import InvalidCredential, NotFound, Unauthenticated
from ..metrics import Metrics as AllMetrics
from .blueprint import Access, Blueprint
from .context import current_request, g
from .nginx import is_nginx

blueprint = Blueprint("Metrics", __name__, description="What operators watch.")

_SCHEME = "bearer "


@blueprint.route("/metrics")
class Metrics(MethodView):
    @blueprint.access(Access.METRICS, Unauthenticated, InvalidCredential, NotFound)
    @blueprint.doc(operationId="getMetrics")
    @blueprint.response(200, {"type": "string"}, content_type="text/plain")
    def get(self) -> Response:
        """Show the metrics of all workers, in a text format of Prometheus.

        The token is METRICS_TOKEN. Without that setting, none is needed. nginx answers 404 for the service.
        """
        _check_caller()
        metrics: AllMetrics = current_app.extensions["metrics"]
        body, content_type = metrics.exposition(g.storage, current_request().headers.get("Accept", ""))
        return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})


def _check_caller() -> None:
    """Raise `NotFound` if the request came through nginx, and `Unauthenticated` without the token."""
    asked, token = current_request(), g.storage.settings.metrics_token
    if is_nginx(asked):
        raise NotFound("There is no route '/metrics'; GET /docs lists what there is.")
    if token is None:
        return
    sent = asked.headers.get("Authorization", "")
    if not sent:
        raise Unauthenticated("The metrics need a credential: send 'Authorization: Bearer <METRICS_TOKEN>'.")
    # Compared as bytes, in constant time.
    given = sent[len(_SCHEME) :] if sent.lower().startswith(_SCHEME) else ""
    if not hmac.compare_digest(given.strip().encode(errors="replace"), token.encode()):
        raise InvalidCredential("The credential is not METRICS_TOKEN; send that of the service's settings.")
